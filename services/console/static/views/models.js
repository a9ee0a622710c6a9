// The model registry: versions with stage, metrics and lineage; promotion and the way back.

import { act, path } from "../acts.js";
import { ask } from "../dialog.js";
import { h, render } from "../dom.js";
import { number, text } from "../format.js";
import { section, until } from "../state.js";
import { actButton, badge, count, heading, lookOnly, notConnected, notOffered, NUM, panel, row, table, wireActs } from "./common.js";

export const uses = ["models"];

const MOVES = { production: ["Promote", "staged", "canary"], canary: ["Canary", "staged"], staged: ["Unstage", "canary"], retired: ["Retire", "staged", "canary"] };
const TONES = { production: "good", canary: "busy", staged: "", retired: "" };
const WHAT_HAPPENS = {
  production: "Its files are verified, it takes the place of the version in production, and xApps that follow production take its weights within a second.",
  canary: "Its files are verified, and xApps that follow the canary stage take its weights.",
  staged: "It is no canary any more; nothing follows it.",
  retired: "It can neither be promoted nor become a canary again.",
};

export function wire(root) {
  wireActs(root, { move, bringBack });
}

export function draw(root) {
  const held = section("models");
  const usable = held.connected && held.offered !== false;
  render(
    root,
    heading("Models", "Versions of learned weights, their stage and what is known of them"),
    lookOnly(),
    held.connected ? (usable ? null : notOffered("The model registry", "The console has not been told of one: RICITY_REGISTRY_URL.")) : notConnected("Model registry", held),
    usable ? held.models.map(modelPanel) : null,
    usable && !held.models.length ? h("p", { class: "quiet" }, "No model yet: publish one with `ricity model publish`.") : null,
  );
}

function modelPanel(model) {
  const rows = model.versions.map((each) => row(
    each.version,
    [`v${number(each.version)}`, badge(each.stage, TONES[each.stage]), metrics(each.metrics), each.agents.join(", "), text(each.created).slice(0, 16).replace("T", " "),
      each.parent === null ? "–" : `v${number(each.parent)}`, number(each.feature_version), lineage(each), moves(model, each)],
    [NUM, "", "", "", "word", NUM, NUM, "", "word"],
  ));
  const present = model.versions.find((each) => each.stage === "production");
  const note = model.total > rows.length ? `${number(rows.length)} of ${count(model.total, "version", "versions")}` : count(model.total, "version", "versions");
  return panel(
    model.name, { "data-key": model.name, note },
    h("div", { class: "acts" }, actButton("Roll back…", "bringBack", { model: model.name, present: present?.version ?? "" },
      { danger: true, about: model.name, hindrance: model.can_roll_back ? "" : "No version was in production before the present one." })),
    table(`Versions of ${model.name}`, [["Version", NUM], ["Stage"], ["Metrics"], ["Agents"], ["Published, UTC"], ["After", NUM], ["Features", NUM], ["Lineage"], [""]], rows, "No version."),
  );
}

function metrics(known) {
  const pairs = Object.entries(known);
  return pairs.length ? h("ul", { class: "metric-words" }, pairs.map(([name, value]) => h("li", {}, `${name.replaceAll("_", " ")} `, h("b", {}, text(value))))) : "–";
}

function lineage(version) {
  const words = Object.entries(version.lineage).map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "string" ? value.slice(0, 12) : text(value)}`);
  return h("details", {}, h("summary", {}, h("span", { class: "mono" }, version.sha256)), h("ul", { class: "events" }, words.length ? words.map((each) => h("li", {}, each)) : h("li", {}, "The training told nothing.")));
}

function moves(model, version) {
  if (version.collected) return h("small", {}, "files dropped");
  const allowed = Object.entries(MOVES).filter(([, [, ...from]]) => from.includes(version.stage));
  return h("div", { class: "acts" }, allowed.map(([stage, [label]]) =>
    actButton(`${label}…`, "move", { model: model.name, version: version.version, stage }, { about: `${model.name} version ${version.version}`, danger: stage === "retired" })));
}

function move({ model, version, stage }) {
  const [label] = MOVES[stage];
  ask({
    title: `${label} ${model} v${version}?`,
    lead: WHAT_HAPPENS[stage],
    submit: label,
    danger: stage === "retired",
    perform: async (tell, signal) => {
      const { document } = await act("POST", path("models", model, "versions", version, "stage"), { stage });
      await until(() => isShown(model, document), signal);
      return `${model} v${document.version} is in ${document.stage}.`;
    },
  });
}

function bringBack({ model, present }) {
  ask({
    title: `Roll back ${model}?`,
    lead: `Version ${present} retires; the one before it is in production again, and xApps that follow production take its weights within a second.`,
    submit: "Roll back",
    danger: true,
    perform: async (tell, signal) => {
      const { document } = await act("POST", path("models", model, "rollback"));
      await until(() => isShown(model, document), signal);
      return `${model} v${document.version} is in ${document.stage} again.`;
    },
  });
}

/** Whether the page has heard of a change. */
function isShown(model, { version, stage }) {
  const found = section("models").models?.find((each) => each.name === model);
  return found?.versions.some((each) => each.version === version && each.stage === stage);
}
