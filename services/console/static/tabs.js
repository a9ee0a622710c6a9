// The tab pattern of the ARIA practices: arrows move and select, Home and End jump, one tab stop for all.

/** Wires the tabs; `shown` is called with the name of the view that is now visible. */
export function wireTabs(list, shown) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const nameOf = (tab) => tab.id.replace("tab-", "");

  function select(tab, { focus = false } = {}) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    if (location.hash !== `#${nameOf(tab)}`) history.replaceState(null, "", `#${nameOf(tab)}`);
    shown(nameOf(tab));
  }

  const byHash = () => tabs.find((tab) => `#${nameOf(tab)}` === location.hash);
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    select(tabs[(to + tabs.length) % tabs.length], { focus: true });
  });
  window.addEventListener("hashchange", () => byHash() && select(byHash()));
  select(byHash() ?? tabs[0]);
}
