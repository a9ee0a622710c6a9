"""The operator's page of the running deployment, in a real browser with a token: every view is alive, and an upgrade is done."""

import re
import ssl

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.compose.stack import ROOT, eventually
from tests.e2e.console_page import VIEWS, Watched
from tests.untrained import untrained_folder

XAPP, NEW = "routing-ar", "0.9.0"
MODEL = "routing-amarl-ar"
DESCRIPTOR = re.sub(r"(?m)^version: .*$", f"version: {NEW}", (ROOT / "xapps" / "routing" / "xapp.yaml").read_text())
UPGRADE_MS = 240_000
NARROW = {"width": 400, "height": 860}
WIDE = {"width": 1440, "height": 900}

COUNTS = {
    "city": {".link": 454, ".host": 23},
    "services": {"tbody tr": 6},
    "slicing": {"tbody tr": 6, "tbody .stack-part": 18},
    "xapps": {".card": 6, ".card-line .state.good": 6},
    "models": {"[data-key='routing-amarl-ar'] tbody tr": 2},
    "health": {"tbody tr:has-text('MiB')": 7, "section:has(h2:text('Parts')) tbody tr:has-text('unreachable')": 0},
}
"""What a view has of the paper's city, by selector."""

LIVE = {
    "city": (".flow", ".link:not(.l0)"),
    "rollouts": ("tbody tr",),
    "policies": ("form",),
    "conflicts": ("tbody tr:has-text('commit')",),
}
"""What is there as long as the day is played."""


def opened(browser, stack, token):
    credentials = {"username": "tester", "password": token}
    return Watched(browser, f"http://{stack.address('console', 8088)}/", http_credentials=credentials).ready()


@pytest.fixture
def watched(browser, secured):
    """The page with an operator's token; it must stay without faults."""
    watched = opened(browser, secured, secured.token)
    yield watched
    watched.page.context.close()
    assert watched.faults == []


@pytest.fixture(scope="module")
def model(secured, tmp_path_factory):
    """A model with two published versions."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose certificate it is, is tested elsewhere
    url = f"https://{secured.address('registry', 8090)}/registry/v1/models/{MODEL}/versions?metric=gos_validation=0.97"
    token = {"Authorization": f"Bearer {secured.token}"}
    for seed in (1, 2):
        folder = untrained_folder(tmp_path_factory.mktemp("weights"), ["ar"], seed=seed)
        files = [("files", (path.name, path.read_bytes())) for path in folder.glob("*.safetensors")]
        reply = httpx.post(url, files=files, headers=token, verify=context, trust_env=False, timeout=60)
        assert reply.status_code == 201, reply.text
    return MODEL


def test_an_upgrade_is_done_from_the_page(watched, pictures):
    page = watched.page
    watched.show("xapps")
    watched.press("xapps", "Onboard a version…")
    page.get_by_label("From").select_option("paste")
    page.locator("#field-onboard-text").fill(DESCRIPTOR)
    watched.confirm("Onboard", f"{NEW} of routing-ar, routing-gaming")
    watched.press("xapps", f"Upgrade… {XAPP}")
    page.get_by_label("To version").select_option(NEW)
    page.get_by_text("Limits").click()
    page.get_by_label("Ready within").fill("200")
    page.get_by_label("Each share for").fill("4")  # seconds: the page is to be seen in the middle of it
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name="Upgrade", exact=True).click()
    expect(dialog.get_by_role("status")).to_contain_text("shift", timeout=UPGRADE_MS)
    page.screenshot(path=pictures / "deployment-upgrade.png")
    expect(dialog.locator(".said.good")).to_contain_text(f"→ {NEW}: succeeded", timeout=UPGRADE_MS)
    expect(dialog.locator(".said.good")).to_contain_text("0 lost, 0 doubled")
    dialog.get_by_role("button", name="Close", exact=True).click()
    card = page.locator("#view-xapps .card", has=page.locator(f"h2:has-text('{XAPP}')"))
    expect(card).to_contain_text(f"wanted {NEW} × 1")
    watched.show("rollouts")
    expect(page.locator("#view-rollouts tbody tr", has_text=XAPP)).to_contain_text("succeeded")


def test_what_is_promoted_on_the_page_decides_in_the_xapp(watched, secured, model):
    """The container that the manager has started follows the registry's volume."""
    watched.show("models")
    watched.press("models", f"Promote… {model} version 1")
    watched.confirm("Promote", f"{model} v1 is in production")
    done = secured.ricity("xapp", "config", XAPP, f"RICITY_WEIGHTS=/runs/registry/production/{model}", "RICITY_POLICY=amarl")
    assert done["applied"] == "replacement", done
    watched.press("models", f"Promote… {model} version 2")
    watched.confirm("Promote", f"{model} v2 is in production")
    eventually(lambda: "weights.swapped" in secured.compose("logs", XAPP), within_s=120, every_s=1)


def test_every_view_shows_the_running_city(watched, model):
    page = watched.page
    percent = re.compile(r"\d+\.\d %")
    for view in VIEWS:
        watched.show(view)
        expect(page.locator(f"#view-{view} h1")).to_be_visible()
        expect(page.locator(f"#view-{view} .absent")).to_have_count(0)
        for selector, wanted in COUNTS.get(view, {}).items():
            expect(page.locator(f"#view-{view} {selector}")).to_have_count(wanted)
        for selector in LIVE.get(view, ()):
            expect(page.locator(f"#view-{view} {selector}").first).to_be_attached()
    expect(page.locator("#strip dd").nth(1)).to_have_text(percent)
    for row in page.locator("#view-services tbody tr").all():
        expect(row).to_contain_text(percent)


def test_pictures_of_every_view_are_kept(watched, model, pictures):
    page = watched.page
    for size, ending in ((WIDE, ""), (NARROW, "-narrow")):
        page.set_viewport_size(size)
        for view in VIEWS:
            watched.show(view)
            expect(page.locator(f"#view-{view} h1")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], view
            page.screenshot(path=pictures / f"deployment-{view}{ending}.png", full_page=True)


def test_a_viewer_of_the_deployment_looks_only(browser, secured):
    watched = opened(browser, secured, secured.make_token("onlooker", "viewer"))
    watched.show("xapps")
    expect(watched.page.locator("#view-xapps .look-only")).to_contain_text("onlooker, a viewer's")
    expect(watched.page.locator("#view-xapps .acts button[aria-disabled=true]")).not_to_have_count(0)
    expect(watched.page.locator("#view-xapps .acts button:not([aria-disabled])")).to_have_count(0)
    watched.page.context.close()
    assert watched.faults == []
