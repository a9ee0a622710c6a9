// The city: links coloured by load, hosts by compute, routes of the latest commits, and whatever is pointed at.

import { h, morph, render, s } from "../dom.js";
import { dayTime, mbps, ms, number, percent } from "../format.js";
import { section, service, state } from "../state.js";
import { heading, notConnected, panel, serviceColour, swatch } from "./common.js";
import { place } from "./layout.js";

export const uses = ["load", "flows", "nodes"];

const LEVELS = [1, 20, 40, 60, 80, 95];
const LEVEL_NAMES = ["idle", "to 20 %", "to 40 %", "to 60 %", "to 80 %", "to 95 %", "above"];
const KIND_NAMES = { o_ru: "O-RU", o_du: "O-DU", o_cu: "O-CU", upf: "UPF", access: "access switch", aggregation: "aggregation switch", core: "core switch" };
const SHOWN_FLOWS = 14;

let drawn = null;
let chosen = null;
let showFlows = true;
let again = () => {};

export function wire(root, schedule) {
  again = schedule;
  root.addEventListener("pointerover", (event) => {
    const target = event.target.closest?.("[data-thing]");
    if (target) choose(target.dataset.thing);
  });
  root.addEventListener("focusin", (event) => {
    const target = event.target.closest?.("[data-thing]");
    if (target) choose(target.dataset.thing);
  });
  root.addEventListener("change", (event) => {
    if (event.target.id === "find-node") {
      const index = state.city?.nodes.findIndex((node) => node.name === event.target.value) ?? -1;
      if (index >= 0) choose(`node/${index}`);
    }
    if (event.target.id === "show-flows") {
      showFlows = event.target.checked;
      schedule();
    }
  });
  root.addEventListener("click", (event) => {
    const step = event.target.closest?.("[data-zoom]")?.dataset.zoom;
    if (step) zoom(step === "fit" ? 0 : step === "in" ? 0.7 : 1 / 0.7);
  });
}

function choose(thing) {
  chosen = thing;
  again();
}

export function draw(root) {
  const load = section("load");
  if (!load.connected && !state.city) {
    drawn = null;
    render(root, heading("City", "Nodes, links and live flows"), notConnected("RIC", load));
    return;
  }
  if (!state.city) return;
  if (drawn?.city !== state.city || !root.contains(drawn.map)) build(root);
  paint(load);
}

// --- once per city ------------------------------------------------------------------------------------------------------

function build(root) {
  const city = state.city;
  const { at, width, height } = place(city.nodes);
  const lines = city.lines.map(([from, to], index) => {
    const reach = city.nodes[from].kind === "o_ru" || city.nodes[to].kind === "o_ru" ? "thin" : backbone(city, from, to) ? "thick" : "";
    return s("path", { class: `link ${reach} l0`, "data-thing": `line/${index}`, d: `M${at[from].map(fix).join(" ")}L${at[to].map(fix).join(" ")}` });
  });
  const nodes = city.nodes.map((node, index) => mark(node, at[index], index));
  const flows = s("g", { class: "flows" });
  const focus = s("g", { class: "focus" });
  const map = s(
    "svg",
    { class: "map", viewBox: `0 0 ${fix(width)} ${fix(height)}`, role: "img", "aria-label": `Map of ${city.name}: ${city.nodes.length} nodes and ${city.lines.length} lines, coloured by load` },
    s("g", { class: "lines" }, lines), flows, focus, s("g", {}, nodes), s("g", { class: "labels", "aria-hidden": "true" }, labels(city, at)),
  );
  drawn = { city, map, lines, nodes, flows, focus, at, width, height, scale: 1, status: h("div"), aside: h("div", { class: "city-side" }) };
  root.replaceChildren(
    heading("City", "Links by load, hosts by compute, routes of the latest commits"),
    h(
      "div",
      { class: "city" },
      h("div", { class: "map-frame" }, drawn.status, map, controls(city), legend(city)),
      drawn.aside,
    ),
  );
}

function backbone(city, from, to) {
  const kinds = [city.nodes[from].kind, city.nodes[to].kind];
  return kinds.every((kind) => kind === "core" || kind === "aggregation");
}

function mark(node, [x, y], index) {
  const thing = { "data-thing": `node/${index}` };
  const here = `translate(${fix(x)} ${fix(y)})`;
  if (node.kind === "o_ru") return s("circle", { class: "node ru", cx: fix(x), cy: fix(y), r: 1.9, ...thing });
  if (node.kind === "access") return s("circle", { class: "node switch", cx: fix(x), cy: fix(y), r: 3.4, ...thing });
  if (node.kind === "aggregation") return s("circle", { class: "node switch", cx: fix(x), cy: fix(y), r: 5, ...thing });
  if (node.kind === "core") return s("rect", { class: "node switch core", x: fix(x - 6), y: fix(y - 6), width: 12, height: 12, rx: 3, ...thing });
  const word = { o_du: "DU", o_cu: "CU", upf: "UPF" }[node.kind] ?? "?";
  return s(
    "g",
    { class: "node host l0", transform: here, ...thing },
    s("rect", { x: -10, y: -7, width: 20, height: 14, rx: 3.5 }), s("text", { y: 3, "text-anchor": "middle" }, word),
  );
}

function labels(city, at) {
  return city.nodes.map((node, index) =>
    node.kind === "access"
      ? s("text", { x: fix(at[index][0]), y: fix(at[index][1] - 7), "text-anchor": "middle" }, node.name.replace(/^access-/, "").replaceAll("-", " "))
      : null,
  );
}

function controls(city) {
  return h(
    "div",
    { class: "map-tools" },
    h("label", {}, h("span", { class: "sr" }, "Find a node"), h("input", { id: "find-node", list: "node-names", placeholder: "Find a node …", autocomplete: "off", spellcheck: "false" })),
    h("datalist", { id: "node-names" }, city.nodes.map((node) => h("option", { value: node.name }))),
    h("label", { class: "check" }, h("input", { type: "checkbox", id: "show-flows", checked: true }), "Live flows"),
    h("span", { class: "button-row" },
      h("button", { type: "button", "data-zoom": "in", "aria-label": "Zoom in" }, "+"),
      h("button", { type: "button", "data-zoom": "out", "aria-label": "Zoom out" }, "−"),
      h("button", { type: "button", "data-zoom": "fit" }, "Fit")),
  );
}

function legend(city) {
  return h(
    "div",
    { class: "legend" },
    h("span", { class: "legend-title" }, "Load"),
    LEVEL_NAMES.map((name, level) => h("span", { class: "legend-item" }, h("span", { class: `legend-line fill-l${level}` }), name)),
    h("span", { class: "legend-title" }, "Flows"),
    city.services.map((each, index) => h("span", { class: "legend-item" }, swatch(serviceColour(index)), each.label)),
  );
}

function zoom(factor) {
  const { map, width, height } = drawn;
  drawn.scale = factor ? Math.min(1, Math.max(0.15, drawn.scale * factor)) : 1;
  const box = map.viewBox.baseVal;
  const centre = chosenPoint() ?? [box.x + box.width / 2, box.y + box.height / 2];
  const [w, t] = [width * drawn.scale, height * drawn.scale];
  const left = drawn.scale === 1 ? 0 : centre[0] - w / 2;
  const top = drawn.scale === 1 ? 0 : centre[1] - t / 2;
  map.setAttribute("viewBox", [left, top, w, t].map(fix).join(" "));
}

// --- every frame --------------------------------------------------------------------------------------------------------

function paint(load) {
  const { city, lines, nodes } = drawn;
  render(drawn.status, load.connected ? null : notConnected("RIC", load));
  drawn.map.classList.toggle("stale", !load.connected);
  const linkLoad = bytes(load.links, city.links.src.length);
  const hostLoad = bytes(load.nodes, city.nodes.length);
  city.lines.forEach(([, , there, back], index) => {
    setLevel(lines[index], Math.max(there < 0 ? 0 : linkLoad[there], back < 0 ? 0 : linkLoad[back]));
  });
  const away = new Set((section("nodes").nodes ?? []).filter((node) => !node.connected).map((node) => node.node));
  city.nodes.forEach((node, index) => {
    if (nodes[index].nodeName === "g") setLevel(nodes[index], hostLoad[index]);
    nodes[index].classList.toggle("away", away.has(node.name));
  });
  paintFlows();
  paintChosen();
  drawSide(load, linkLoad, hostLoad);
}

function setLevel(element, percentUsed) {
  const level = LEVELS.filter((bound) => percentUsed >= bound).length;
  if (element.dataset.level === String(level)) return;
  element.dataset.level = String(level);
  element.setAttribute("class", element.getAttribute("class").replace(/\bl\d\b/, `l${level}`));
}

function bytes(text, length) {
  if (!text) return new Uint8Array(length);
  return Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
}

function latestFlows() {
  return (section("flows").flows ?? []).slice(-SHOWN_FLOWS);
}

function paintFlows() {
  const { at, city, flows } = drawn;
  const recent = showFlows ? latestFlows() : [];
  const routes = recent.map((flow, index) => {
    const stops = [city.links.src[flow.links[0]], ...flow.links.map((link) => city.links.dst[link])];
    const shift = ((flow.service % 5) - 2) * 1.6;
    const d = stops.map((stop) => `${fix(at[stop][0] + shift)} ${fix(at[stop][1] + shift)}`).join("L");
    const ageShare = (recent.length - 1 - index) / SHOWN_FLOWS;
    return s("path", { class: "flow", d: `M${d}`, vars: { "--line": serviceColour(flow.service), "--strength": (0.95 - 0.7 * ageShare).toFixed(2) } });
  });
  morph(flows, s("g", { class: "flows" }, routes));
}

function chosenPoint() {
  const { at, city } = drawn;
  const [kind, index] = (chosen ?? "").split("/");
  if (kind === "node") return at[index];
  if (kind !== "line") return null;
  const [from, to] = city.lines[index];
  return [(at[from][0] + at[to][0]) / 2, (at[from][1] + at[to][1]) / 2];
}

function paintChosen() {
  const { at, city, focus } = drawn;
  const [kind, index] = (chosen ?? "").split("/");
  const marks = [];
  if (kind === "node") marks.push(s("circle", { class: "halo", cx: fix(at[index][0]), cy: fix(at[index][1]), r: 14 }));
  if (kind === "line") {
    const [from, to] = city.lines[index];
    marks.push(s("path", { class: "halo", d: `M${at[from].map(fix).join(" ")}L${at[to].map(fix).join(" ")}` }));
  }
  morph(focus, s("g", { class: "focus" }, marks));
}

function drawSide(load, linkLoad, hostLoad) {
  const { city } = drawn;
  const lineOf = new Map(city.lines.flatMap(([, , there, back], index) => [[there, index], [back, index]]));
  const bar = (thing, name, ratio) =>
    h(
      "li",
      { "data-key": thing },
      h("button", { type: "button", class: "bar-row", "data-thing": thing, vars: { "--share": Math.min(ratio, 1).toFixed(3) } },
        h("span", { class: `bar-fill fill-l${LEVELS.filter((bound) => 100 * ratio >= bound).length}` }), h("span", { class: "bar-name" }, name), h("span", { class: "bar-value" }, percent(ratio))),
    );
  const links = (load.busiest_links ?? []).map(([link, ratio]) => bar(`line/${lineOf.get(link)}`, linkName(link), ratio));
  const hosts = (load.busiest_hosts ?? []).map(([node, ratio]) => bar(`node/${node}`, city.nodes[node].name, ratio));
  render(
    drawn.aside,
    panel("Pointed at", { class: "pointed", "aria-live": "off" }, pointedAt(linkLoad, hostLoad)),
    panel("Fullest links", { note: `mean ${percent(load.link_mean_ratio)}` }, list(links, "Every link is idle.")),
    panel("Fullest hosts", { note: `mean ${percent(load.host_mean_ratio)}` }, list(hosts, "Every host is idle.")),
    panel("Latest flows", { note: load.connected ? `version ${number(load.version)}, ${dayTime(load.now_ms / 1000)}` : "" }, flowRows()),
  );
}

function list(rows, empty) {
  return rows.length ? h("ol", { class: "bars" }, rows) : h("p", { class: "quiet" }, empty);
}

function flowRows() {
  const rows = latestFlows().reverse().slice(0, 8).map((flow) =>
    h("li", { "data-key": flow.id }, swatch(serviceColour(flow.service)), h("span", { class: "flow-name" }, service(flow.service)?.label ?? "?"),
      h("span", {}, mbps(flow.kbps)), h("span", {}, ms(flow.latency_ms)), h("span", {}, `${flow.links.length} hops`)));
  return rows.length ? h("ul", { class: "flow-rows" }, rows) : h("p", { class: "quiet" }, "No commit among the latest records of the log.");
}

function linkName(link) {
  const { city } = drawn;
  return `${city.nodes[city.links.src[link]].name} → ${city.nodes[city.links.dst[link]].name}`;
}

function pointedAt(linkLoad, hostLoad) {
  const { city } = drawn;
  const [kind, index] = (chosen ?? "").split("/");
  if (kind === "line") {
    const ways = city.lines[index].slice(2).filter((link) => link >= 0);
    return h("dl", { class: "pairs" }, ways.map((link) => [h("dt", {}, linkName(link)), h("dd", {}, `${linkLoad[link]} % of ${mbps(city.links.mbps[link] * 1000)}`)]));
  }
  if (kind === "node") {
    const node = city.nodes[index];
    const e2 = (section("nodes").nodes ?? []).find((each) => each.node === node.name);
    const isHost = ["o_ru", "o_du", "o_cu", "upf"].includes(node.kind);
    return h(
      "dl",
      { class: "pairs" },
      h("dt", {}, node.name), h("dd", {}, KIND_NAMES[node.kind] ?? node.kind),
      isHost ? [h("dt", {}, "compute"), h("dd", {}, `${hostLoad[index]} % of what admission may fill`)] : null,
      e2 ? [h("dt", {}, "E2 node"), h("dd", {}, `${e2.ran_name}, ${e2.connected ? "connected" : "disconnected"}`)] : null,
    );
  }
  return h("p", { class: "quiet" }, "Point at a link or node, or find one by name.");
}

function fix(value) {
  return Math.round(value * 10) / 10;
}
