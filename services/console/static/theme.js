// Before the first paint, and without a module: the theme that was chosen, so that nothing flashes.
(function () {
  try {
    const chosen = localStorage.getItem("ricity-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the system's scheme holds.
  }
})();
