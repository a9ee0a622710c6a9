"""The console's page in a browser, as its tests look at it."""

from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, expect

VIEWS = ("city", "services", "slicing", "xapps", "rollouts", "models", "policies", "conflicts", "health")
PATIENCE_MS = 90_000
TEXTS = ("h1", ".panel h2", ".quiet", "small", "th", ".state", ".acts button", "dialog h2", "dialog p", "dialog label")
"""Selectors of what has to be readable."""

expect.set_options(timeout=PATIENCE_MS)


class Watched:
    """A page, and everything that went wrong in it or was asked of another server."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.faults: list[str] = []
        self.page = browser.new_context(viewport={"width": 1440, "height": 900}, **context).new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", lambda request: None if request.url.startswith(url) else self.faults.append(request.url))
        self.page.goto(url)

    def _said(self, message: ConsoleMessage) -> None:
        # The machine's network interfaces come and go with containers; the page loads such a file again.
        if message.type in ("error", "warning") and "ERR_NETWORK_CHANGED" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")

    def ready(self, *, parts: int = 5) -> "Watched":
        """Once it shows that so many parts are connected."""
        try:
            expect(self.page.locator("#chips .chip.good")).to_have_count(parts, timeout=PATIENCE_MS)
        except AssertionError as error:
            chips = self.page.locator("#chips").inner_text()
            raise AssertionError(f"connected: {chips!r}; faults: {self.faults}") from error
        return self

    def show(self, view: str) -> None:
        self.page.locator(f"#tab-{view}").click()
        expect(self.page.locator(f"#view-{view}")).to_be_visible()

    def press(self, view: str, name: str, exact: bool = True) -> None:
        """A button of a view, by its accessible name."""
        self.page.locator(f"#view-{view}").get_by_role("button", name=name, exact=exact).click()

    def confirm(self, name: str, said: str) -> None:
        """Submits the dialog by that button, waits for its closing words, and closes it."""
        dialog = self.page.locator("dialog")
        dialog.get_by_role("button", name=name, exact=True).click()
        expect(dialog.locator(".said.good, .said.bad:not(:empty)")).to_contain_text(said)
        dialog.get_by_role("button", name="Close", exact=True).click()
        expect(dialog).to_have_count(0)


def contrast(found: Any) -> float:
    """WCAG contrast of an element's text with the first opaque background behind it; 21 for what is not shown."""
    return found.evaluate(
        """element => {
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const rgb = colour => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const linear = value => value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
          const luminance = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
          if (!element.checkVisibility()) return 21;
          let behind = element;
          while (behind.parentElement && rgb(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
          const colours = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
          const pair = colours.map(each => luminance(rgb(each)));
          return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
        }"""
    )
