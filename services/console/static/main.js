// The page: one stream of state, one visible view, drawn again when something it shows has changed.

import { meet } from "./acts.js";
import { h, render } from "./dom.js";
import * as format from "./format.js";
import { listen, section, state } from "./state.js";
import { wireTabs } from "./tabs.js";
import * as city from "./views/city.js";
import * as conflicts from "./views/conflicts.js";
import * as health from "./views/health.js";
import * as models from "./views/models.js";
import * as policies from "./views/policies.js";
import * as rollouts from "./views/rollouts.js";
import * as services from "./views/services.js";
import * as slicing from "./views/slicing.js";
import * as xapps from "./views/xapps.js";

const VIEWS = { city, services, slicing, xapps, rollouts, models, policies, conflicts, health };
const PARTS = { RIC: "load", nodes: "services", radio: "radio", critic: "critic", manager: "policies" };
let visible = "city";
let due = false;

function draw() {
  due = false;
  drawHeader();
  VIEWS[visible].draw(document.getElementById(`view-${visible}`));
}

function schedule() {
  if (due || document.hidden) return;
  due = true;
  requestAnimationFrame(draw);
}

function drawHeader() {
  const [load, services, faults] = [section("load"), section("services"), section("faults")];
  const name = document.getElementById("city-name");
  name.textContent = state.city?.name ?? "";
  name.title = state.city ? `profile ${state.city.profile}` : "";
  const facts = [
    ["Emulated time", format.dayTime(services.emulated_s ?? (load.now_ms ?? NaN) / 1000)],
    ["GoS, half a minute", format.gos(services.recent_gos_ratio)],
    ["Requests / s", format.rate(services.requests_per_s)],
    ["Active flows", format.number(services.active_flows)],
    ["Fullest link", format.percent(load.link_max_ratio)],
  ];
  render(
    document.getElementById("strip"),
    facts.map(([name, value]) => h("div", { "data-key": name }, h("dt", {}, name), h("dd", {}, value))),
  );
  render(
    document.getElementById("chips"),
    Object.entries(PARTS).map(([part, name]) => {
      const { connected, why, waiting } = section(name);
      const how = connected ? "connected" : waiting ? "waiting" : "not connected";
      return h(
        "li",
        { "data-key": part, class: `chip ${connected ? "good" : waiting ? "" : "bad"}`, title: why ?? how },
        h("span", { class: "dot", "aria-hidden": "true" }), part, h("span", { class: "sr" }, `: ${how}`),
      );
    }),
  );
  const banner = document.getElementById("banner");
  banner.hidden = state.stream !== "lost";
  banner.textContent = banner.hidden ? "" : "The console's server does not answer: what you see is old. Trying again …";
  const wrong = faults.now ?? [];
  badge("health", wrong.length, wrong.some((each) => each.critical));
  badge("policies", section("policies").total ?? 0, false);
}

/** A count beside the name of a tab. */
function badge(view, count, critical) {
  const tab = document.getElementById(`tab-${view}`);
  let mark = tab.querySelector(".badge");
  if (!mark) tab.append((mark = h("span", { class: "badge" })));
  mark.textContent = count ? String(count) : "";
  mark.classList.toggle("critical", critical);
}

function wireTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  function show() {
    button.setAttribute("aria-pressed", String(dark()));
    button.setAttribute("aria-label", dark() ? "Dark theme: switch to light" : "Light theme: switch to dark");
    button.textContent = dark() ? "☾" : "☀";
  }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("ricity-theme", root.dataset.theme);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

wireTheme();
for (const [name, view] of Object.entries(VIEWS)) view.wire?.(document.getElementById(`view-${name}`), schedule);
wireTabs(document.getElementById("tabs"), (name) => {
  visible = name;
  schedule();
});
document.addEventListener("visibilitychange", schedule);
listen((names) => {
  // The first frame of a connection has every section; who looks may be another one by then.
  if (names.has("console")) meet().then((isNews) => isNews && schedule());
  const wanted = VIEWS[visible].uses;
  if (["stream", "city", "load", "services", "faults"].some((name) => names.has(name)) || wanted.some((name) => names.has(name))) schedule();
});
