// Before the first paint, and without a module: the theme that was chosen, so that nothing flashes, and another try when a
// file of the page could not be had.
(function () {
  const RETRY_MS = 1500;
  try {
    const chosen = localStorage.getItem("ricity-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the system's scheme holds.
  }
  addEventListener(
    "error",
    (event) => {
      if (event.target instanceof HTMLScriptElement || event.target instanceof HTMLLinkElement) setTimeout(() => location.reload(), RETRY_MS);
    },
    { capture: true },
  );
})();
