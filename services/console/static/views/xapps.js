// xApps: versions with their share of the delivery, instances as the RIC sees them, and what the manager wants.

import { stackedBar } from "../charts.js";
import { h, render } from "../dom.js";
import { number, percent } from "../format.js";
import { section } from "../state.js";
import { actButton, badge, count, heading, lookOnly, notConnected, notOffered, NUM, panel, row, serviceColour, table, wireActs } from "./common.js";
import { onboard } from "./onboard.js";
import { servingVersion, underway, versionsBut, xappActs } from "./xapp-acts.js";

export const uses = ["live_xapps", "desired_xapps", "subscriptions", "rollouts"];

export function wire(root) {
  wireActs(root, { ...xappActs, onboard });
}

export function draw(root) {
  const [live, desired] = [section("live_xapps"), section("desired_xapps")];
  const names = [...new Set([...(live.instances ?? []).map((each) => each.xapp), ...(desired.xapps ?? []).map((each) => each.name)])].sort();
  render(
    root,
    heading("xApps", "Versions, delivery weights and instances", isManaged(desired) ? actButton("Onboard a version…", "onboard") : null),
    isManaged(desired) ? lookOnly() : null,
    live.connected ? null : notConnected("RIC", live),
    desired.connected ? (desired.offered === false ? notOffered("Lifecycle management") : null) : notConnected("Manager", desired),
    desired.driver?.answers === false ? h("p", { class: "weak" }, `What runs xApps (${desired.driver.name}) does not answer: nothing can be changed. ${desired.driver.reason}`) : null,
    live.connected || desired.connected ? h("div", { class: "cards" }, names.map((name) => card(name, live, desired))) : null,
    live.connected && !names.length ? h("p", { class: "quiet" }, "No xApp is attached or registered.") : null,
    live.connected ? subscriptions() : null,
  );
}

function card(name, live, desired) {
  const wanted = (desired.xapps ?? []).find((each) => each.name === name);
  const instances = live.connected ? live.instances.filter((each) => each.xapp === name) : managed(wanted);
  const versions = versionsOf(instances, wanted);
  const total = versions.reduce((sum, each) => sum + each.weight, 0);
  const ready = instances.filter((each) => each.state === "ready").length;
  return panel(
    name,
    { class: "card", "data-key": name, note: wantedText(wanted, desired) },
    h(
      "div", { class: "card-line" },
      ready ? badge("ready") : badge("no instance", "bad"),
      h("span", { class: "quiet" }, `${count(ready, "instance", "instances")}, ${count(versions.length, "version", "versions")}`),
    ),
    versions.length ? stackedBar(versions.map((each, index) => ({ label: each.version, value: total ? (100 * each.weight) / total : 0, colour: serviceColour(index) })), 100, `Delivery weights of ${name}, percent`) : null,
    h("ul", { class: "versions" }, versions.map((each, index) =>
      h("li", { "data-key": each.version }, h("span", { class: "swatch", vars: { "--fill": serviceColour(index) } }), h("b", {}, each.version),
        h("span", {}, `weight ${number(each.weight)} (${percent(total ? each.weight / total : 0)})`), badge(each.state),
        wanted?.desired?.standby[each.version] ? actButton("Stop…", "stopStandby", { xapp: name, version: each.version }, { danger: true, about: `${each.version} of ${name}` }) : null))),
    versions.filter((each) => each.reason).map((each) => h("p", { class: "weak", "data-key": `why-${each.version}` }, `${each.version}: ${each.reason}`)),
    table(
      `Instances of ${name}`,
      [["Instance"], ["State"], ["Held", NUM], ["Answered", NUM], ["Delivered", NUM]],
      instances.map((each) => row(each.instance, [each.instance, badge(each.state), `${number(each.outstanding)} / ${number(each.window)}`, number(each.answered), number(each.delivered)], ["mono", "", NUM, NUM, NUM])),
      "No instance is attached to the RIC.",
    ),
    isManaged(desired) ? cardActs(name, wanted) : null,
  );
}

function isManaged(desired) {
  return desired.connected && desired.offered !== false;
}

function wantedText(wanted, desired) {
  if (wanted?.desired) return `wanted ${wanted.desired.version} × ${number(wanted.desired.replicas)}, configuration ${number(wanted.desired.config_generation)}`;
  if (!isManaged(desired)) return "";
  return wanted?.descriptor_version ? "in the catalogue, started by others" : "not managed";
}

/** What can be done with an xApp, each with the reason where it cannot. */
function cardActs(name, wanted) {
  const running = underway(name);
  const known = wanted?.descriptor_version ? "" : "Not in the catalogue: onboard its descriptor first.";
  const quiet = known || (running ? `It is being upgraded to ${running.to}: wait for the end, or roll back.` : "");
  const deployed = quiet || (wanted?.desired ? "" : "The manager has not deployed it.");
  const others = quiet || (versionsBut(wanted, servingVersion(wanted)).length ? "" : "No other version is in the catalogue: onboard one.");
  const button = (label, act, hindrance, danger = false) => actButton(label, act, { xapp: name }, { hindrance, danger, about: name });
  return h(
    "div", { class: "acts" },
    button("Upgrade…", "upgrade", others), button("Deploy…", "deploy", quiet), button("Configure…", "configure", deployed),
    button("Roll back…", "rollback", known, true), button("Stop…", "stop", deployed || (wanted.desired.replicas ? "" : "It is stopped."), true), button("Forget…", "forget", quiet, true),
  );
}

/** Instances by the manager's word, while the RIC cannot be asked. */
function managed(wanted) {
  return (wanted?.versions ?? []).flatMap((version) =>
    (version.instances ?? []).map((each) => ({ instance: each.instance_id, version: version.version, weight: version.weight, state: each.state, outstanding: each.outstanding })));
}

function versionsOf(instances, wanted) {
  const found = new Map();
  for (const each of wanted?.versions ?? []) found.set(each.version, { version: each.version, state: each.state ?? "unknown", weight: each.weight ?? 0, reason: each.reason });
  for (const each of instances) {
    const known = found.get(each.version);
    // The RIC's word counts: it delivers by these weights.
    found.set(each.version, { version: each.version, state: known?.state ?? each.state, weight: each.weight, reason: known?.reason });
  }
  return [...found.values()].sort((a, b) => a.version.localeCompare(b.version, "en", { numeric: true }));
}

function subscriptions() {
  const held = section("subscriptions");
  if (!held.connected) return notConnected("Subscriptions", held);
  const rows = held.subscriptions.map((each) =>
    row(each.id, [`#${each.id}`, badge(each.kind, ""), each.items.join(", "), each.instances.join(", "), each.period_ms ? `${number(each.period_ms)} ms` : "–", number(each.indications), each.dropped ? h("span", { class: "weak" }, number(each.dropped)) : "0", number(each.lag)],
      ["", "", "", "mono", NUM, NUM, NUM, NUM]));
  return panel("Subscriptions", { note: `${held.subscriptions.length} at the RIC` },
    table("Subscriptions", [["Id"], ["Kind"], ["Of"], ["Subscribers"], ["Period", NUM], ["Indications", NUM], ["Dropped", NUM], ["Lag", NUM]], rows, "No subscription is held."));
}
