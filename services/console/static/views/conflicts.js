// Conflicts that were decided, and the newest records of the store's log.

import { h, render } from "../dom.js";
import { dayTime, number, text, wallTime } from "../format.js";
import { section, service } from "../state.js";
import { badge, heading, notConnected, notOffered, NUM, panel, row, serviceColour, swatch, table } from "./common.js";

export const uses = ["conflicts", "log"];

const TONES = { commit: "good", release: "", expire: "", preempt: "bad", create: "" };

export function draw(root) {
  render(root, heading("Conflicts & log", "Who was refused and why, and every change of the store"), conflictPanel(), logPanel());
}

function conflictPanel() {
  const held = section("conflicts");
  if (!held.connected) return panel("Conflicts", {}, notConnected("Manager", held));
  if (held.offered === false) return panel("Conflicts", {}, notOffered("The conflict log"));
  const counts = Object.entries(held.counts ?? {});
  const rows = [...held.conflicts].map((each, index) =>
    row(`${each.at}/${index}`, [wallTime(each.at), badge(each.kind, "busy"), h("span", { class: "mono" }, text(each.parameter)), h("b", {}, text(each.winner)), text(each.loser), text(each.reason)], [NUM, "", "", "word", "word", ""]));
  return panel(
    "Conflicts",
    { note: `${number(held.total)} shown` },
    counts.length ? h("ul", { class: "counts" }, counts.map(([kind, value]) => h("li", {}, h("b", {}, text(value)), ` ${kind.replaceAll("_", " ")}`))) : null,
    table("Conflicts", [["At", NUM], ["Kind"], ["Parameter"], ["Winner"], ["Loser"], ["Why"]], rows, "No conflict has been decided."),
  );
}

function logPanel() {
  const held = section("log");
  if (!held.connected) return panel("Audit log", {}, notConnected("RIC", held));
  const rows = held.records.map((each) =>
    row(
      each.version,
      [
        number(each.version), badge(each.kind, TONES[each.kind]), dayTime(each.now_ms / 1000), h("span", { class: "mono" }, text(each.flow)),
        each.kind === "create" ? "–" : h("span", { class: "service-word" }, swatch(serviceColour(each.service)), service(each.service)?.label ?? number(each.service)),
        each.hops ? number(each.hops) : "–", number(each.resources), each.displaced_by ? h("span", { class: "mono" }, each.displaced_by) : "–",
      ],
      [NUM, "", NUM, "", "", NUM, NUM, ""],
    ));
  return panel("Audit log", { note: "newest records of the store's log; `ricity audit` proves the whole" },
    table("Audit log", [["Version", NUM], ["Change"], ["Emulated time", NUM], ["Flow"], ["Service"], ["Hops", NUM], ["Resources", NUM], ["Displaced by"]], rows, "The log is empty."));
}
