// Rollouts step by step, and A/B tests with what they decided on.

import { lineChart, meter } from "../charts.js";
import { h, render } from "../dom.js";
import { age, number, text, wallTime } from "../format.js";
import { section } from "../state.js";
import { abActs, comparable } from "./ab-acts.js";
import { actButton, badge, facts, heading, lookOnly, notConnected, notOffered, NUM, panel, row, table, wireActs } from "./common.js";
import { xappActs } from "./xapp-acts.js";

export const uses = ["rollouts", "ab", "desired_xapps"];

export function wire(root) {
  wireActs(root, { ...abActs, rollback: xappActs.rollback });
}

export function draw(root) {
  const [rollouts, ab] = [section("rollouts"), section("ab")];
  render(
    root,
    heading("Rollouts & A/B", "Changes of version, and the tests that decide them", ab.connected && ab.offered !== false ? startButton() : null),
    ab.connected || rollouts.connected ? lookOnly() : null,
    part("Rollouts", rollouts, () => rolloutPanel(rollouts)),
    part("A/B tests", ab, () => abPanel(ab)),
  );
}

function part(name, held, content) {
  if (!held.connected) return panel(name, {}, notConnected("Manager", held));
  return held.offered === false ? panel(name, {}, notOffered(name)) : content();
}

function startButton() {
  return actButton("Start an A/B test…", "startTest", {}, { hindrance: comparable().length ? "" : "No xApp has two versions in the catalogue: onboard one." });
}

function rolloutPanel(held) {
  const rows = held.rollouts.map((each) =>
    row(
      each.id,
      [
        each.xapp, `${text(each.from)} → ${text(each.to)}`, each.ended_at === null ? rolling(each) : badge(each.state), h("span", {}, text(each.step), each.reason ? h("small", { class: "block" }, each.reason) : null, each.waits_for ? h("small", { class: "block" }, `waits for the driver: ${each.waits_for}`) : null),
        progress(each), wallTime(each.started_at), age(each.duration_s), number(each.requests),
        spoilt(each.lost), spoilt(each.doubled), events(each.events ?? []), h("span", { class: "mono" }, text(each.id)),
      ],
      ["", "", "", "", "", NUM, NUM, NUM, NUM, NUM, "", ""],
    ));
  return panel("Rollouts", { note: `${number(held.total)} known` },
    table("Rollouts", [["xApp"], ["Versions"], ["State"], ["Step"], ["New version"], ["Started", NUM], ["Took", NUM], ["Requests", NUM], ["Lost", NUM], ["Doubled", NUM], ["Events"], ["Id"]], rows, "No rollout yet: upgrade an xApp in the view xApps, or with `ricity xapp upgrade`."));
}

/** A rollout that is under way can be ended. */
function rolling(each) {
  return h("div", { class: "acts" }, badge(each.state), actButton("Roll back…", "rollback", { xapp: each.xapp }, { danger: true, about: each.xapp, hindrance: each.abort_asked ? "That has been asked for." : "" }));
}

function progress(each) {
  const share = each.weight_percent ?? 0;
  return h("div", { class: "progress" }, meter(share, 100, `${share} % of the delivery`), h("small", {}, `${number(share)} %`));
}

function spoilt(value) {
  return value ? h("span", { class: "weak" }, number(value)) : number(value);
}

function events(list) {
  if (!list.length) return "–";
  return h("details", {}, h("summary", {}, `${list.length} events`),
    h("ol", { class: "events" }, list.map((each) => h("li", {}, typeof each === "object" ? eventText(each) : String(each)))));
}

function eventText(each) {
  const { at, at_s: atS, ...rest } = each;
  return `${at ?? atS ? `${wallTime(at ?? atS)} ` : ""}${Object.values(rest).map(text).join(" · ")}`;
}

function abPanel(held) {
  const { tests } = held;
  if (!tests.length) return panel("A/B tests", {}, h("p", { class: "quiet" }, "No test yet: start one with the button above, or `ricity ab start`."));
  return tests.map(abCard);
}

function abCard(each) {
  const { versions = {}, guards = {}, method, ...evidence } = each.evidence ?? {};
  const plain = Object.entries(evidence).filter(([, value]) => value === null || typeof value !== "object");
  return panel(
    `${each.xapp}: ${text(each.baseline)} or ${text(each.candidate)}`,
    { class: "card", "data-key": each.id, note: text(each.id) },
    h("div", { class: "card-line" }, badge(each.state), each.verdict ? badge(each.verdict) : null, each.candidate_percent !== undefined ? h("span", { class: "quiet" }, `${text(each.candidate_percent)} % to the candidate`) : null,
      each.state === "running" ? actButton("Stop…", "stopTest", { test: each.id, xapp: each.xapp, baseline: each.baseline }, { danger: true, about: `the test of ${each.xapp}` }) : null),
    each.reason ? h("p", {}, each.reason) : null,
    h(
      "div",
      { class: "columns two" },
      h("div", {},
        facts([["Requests", number(each.requests)], ["Gain in GoS", points(each.gain)], ["with confidence", interval(each.gain_interval)], ["Started", wallTime(each.started_at)], ["Ended", wallTime(each.ended_at)]]),
        seriesChart(each)),
      h("div", { class: "stacked" }, comparison("By version", versions), comparison("Guards", guards)),
    ),
    plain.length ? h("details", {}, h("summary", {}, "Evidence"), method ? h("p", { class: "quiet" }, method) : null, facts(plain.map(([name, value]) => [name.replaceAll("_", " "), text(value)]))) : null,
    reportFigure(each),
  );
}

/** The figure of the report; its address changes with the evidence, so that it is looked at again. */
function reportFigure(each) {
  const source = `api/v1/ab/${encodeURIComponent(each.id)}/evidence.svg?requests=${each.requests}&state=${each.state}`;
  return h("details", { class: "report" }, h("summary", {}, "Figure of the report"),
    h("img", { src: source, loading: "lazy", width: 960, height: 420, alt: `${each.candidate} against ${each.baseline}: gain in GoS with its confidence bounds, and the evidence, over requests` }),
    h("a", { href: source, target: "_blank", rel: "noopener" }, "evidence.svg"));
}

function points(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${ratio > 0 ? "+" : ""}${number(100 * ratio, 2)} points`;
}

function interval(ends) {
  return ends ? `${points(ends[0]).replace(" points", "")} to ${points(ends[1])}` : "–";
}

/** Rows of numbers by name, as a table. */
function comparison(label, rows) {
  const names = Object.keys(rows);
  if (!names.length) return null;
  const columns = [...new Set(names.flatMap((name) => Object.keys(rows[name])))].filter((key) => names.some((name) => typeof rows[name][key] !== "object"));
  return table(label, [[label], ...columns.map((key) => [key.replaceAll("_", " "), NUM])],
    names.map((name) => row(name, [name, ...columns.map((key) => text(rows[name][key]))], ["", ...columns.map(() => NUM)])), "");
}

/** The confidence sequence if the points have one, else every number over the first one. */
function seriesChart(each) {
  const steps = (each.series ?? []).filter((point) => point && typeof point === "object");
  if (steps.length < 2) return null;
  const names = Object.keys(steps[0]).filter((name) => steps.every((point) => typeof point[name] === "number"));
  const find = (...wanted) => names.find((name) => wanted.includes(name));
  const x = find("requests", "n", "pairs", "samples", "at", "at_s", "t") ?? names[0];
  const [low, high] = [find("low", "lower"), find("high", "upper")];
  const middle = find("gain", "difference", "mean", "estimate", "delta");
  const column = (name) => steps.map((point) => point[name]);
  const lines = middle ? [middle] : names.filter((name) => name !== x && name !== low && name !== high).slice(0, 3);
  return h(
    "figure", {},
    lineChart(column(x), lines.map((name, index) => ({ label: name, values: column(name), class: `c${index + 1}` })), {
      label: `${lines.join(", ")} of ${each.xapp} over ${x}`, band: low && high ? { low: column(low), high: column(high) } : undefined, zero: Boolean(middle),
    }),
    h("figcaption", {}, `${lines.map((name) => name.replaceAll("_", " ")).join(", ")} over ${x.replaceAll("_", " ")}${low && high ? ", with its confidence bounds" : ""}`),
  );
}
