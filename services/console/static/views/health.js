// Health: what is wrong now, what was, and how every part is doing.

import { h, render } from "../dom.js";
import { age, number, text, wallTime } from "../format.js";
import { section } from "../state.js";
import { badge, heading, notConnected, NUM, panel, row, table, tile } from "./common.js";

export const uses = ["parts", "nodes", "ric", "faults"];

export function draw(root) {
  render(root, heading("Health", "Faults, parts and E2 nodes"), faultPanel(), tiles(), h("div", { class: "columns two" }, partPanel(), nodePanel()), logPanel());
}

function faultPanel() {
  const { now = [] } = section("faults");
  if (!now.length) return h("p", { class: "all-well" }, h("span", { class: "dot", "aria-hidden": "true" }), "Nothing is wrong that the console can see.");
  const second = Date.now() / 1000;
  return h(
    "ul",
    { class: "faults", "aria-label": "What is wrong now" },
    now.map((each) => h("li", { "data-key": each.key, class: each.critical ? "critical" : "" },
      h("span", { class: "state " + (each.critical ? "bad" : "busy") }, each.critical ? "critical" : "warning"), h("span", {}, each.what), h("small", {}, `for ${age(Math.max(second - each.since_s, 0))}`))),
  );
}

function tiles() {
  const ric = section("ric");
  if (!ric.connected) return notConnected("RIC metrics", ric);
  const { recent, nodes } = ric;
  const lately = (name, title, note) => tile(title, number(recent[name]), { note, tone: recent[name] ? "warn" : "" });
  return h(
    "div",
    { class: "tiles" },
    tile("E2 nodes", `${number(nodes.connected ?? 0)}`, { note: `${number(nodes.disconnected ?? 0)} disconnected`, tone: nodes.disconnected ? "warn" : "" }),
    lately("default_actions", "Default actions", "last half minute"),
    lately("redelivered", "Redelivered", "last half minute"),
    lately("dropped", "Dropped", "last half minute"),
    lately("invalid_messages", "Refused messages", "last half minute"),
    lately("store_reconnects", "Store lost", "last half minute"),
  );
}

function partPanel() {
  const held = section("parts");
  if (!held.connected) return panel("Parts", {}, notConnected("Status ports", held));
  const rows = held.parts.map((each) =>
    row(each.name, [each.name, badge(each.state), h("span", { class: "mono" }, each.address), each.memory_mib === undefined ? "–" : `${number(each.memory_mib)} MiB`, number(each.cores, 2)], ["", "", "", NUM, NUM]));
  return panel("Parts", { note: `RIC ${held.ric}, manager ${held.manager}` },
    table("Parts", [["Part"], ["State"], ["Status port"], ["Memory", NUM], ["Cores", NUM]], rows, "No status port is known: set RICITY_PARTS or RICITY_RUN_FOLDER."));
}

function nodePanel() {
  const held = section("nodes");
  if (!held.connected) return panel("E2 nodes", {}, notConnected("RIC", held));
  const nodes = [...held.nodes].sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
  const rows = nodes.map((each) => row(each.ran_name, [each.node, badge(each.connected ? "connected" : "disconnected"), h("span", { class: "mono" }, each.ran_name), each.functions.map((name) => name.replace("ORAN-E2SM-", "")).join(", "), h("span", { class: "mono" }, text(each.agent))]));
  return panel("E2 nodes", { note: `${number(held.nodes.length)} in the inventory` },
    table("E2 nodes", [["Node"], ["State"], ["RAN name"], ["Functions"], ["Agent"]], rows, "No E2 node has connected yet."));
}

function logPanel() {
  const { log = [] } = section("faults");
  const rows = log.map((each, index) => row(`${each.at_s}/${index}`, [wallTime(each.at_s), badge(each.event, each.event === "ended" ? "good" : each.critical ? "bad" : "busy"), each.what], [NUM, "", ""]));
  return panel("Fault log", { note: "since the console started" }, table("Fault log", [["At", NUM], ["Event"], ["What"]], rows, "Nothing yet."));
}
