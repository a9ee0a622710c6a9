// Pieces that several views share.

import { visitor } from "../acts.js";
import { h } from "../dom.js";
import { number } from "../format.js";
import { state } from "../state.js";

/** Says plainly that a part is not there, and why. */
export function notConnected(part, section) {
  return h(
    "div",
    { class: "absent", role: "note" },
    h("strong", {}, section.waiting ? `${part}: waiting for the first look` : `${part}: not connected`),
    section.waiting ? null : h("span", {}, section.why),
  );
}

/** Says that nobody here has such an interface. */
export function notOffered(what, why = "The manager that answers has no such interface.") {
  return h("div", { class: "absent", role: "note" }, h("strong", {}, `${what}: not offered`), h("span", {}, why));
}

export function heading(title, note, ...acts) {
  return h("header", { class: "view-head" }, h("h1", {}, title), note ? h("p", {}, note) : null, acts.length ? h("div", { class: "acts" }, acts) : null);
}

/** Why nothing can be changed from here, if that is so. */
export function lookOnly() {
  return visitor.may_act ? null : h("p", { class: "look-only", role: "note" }, visitor.why_not);
}

/**
 * A button that does `act` of `wireActs` with the values of `data`. Where it cannot, it stays in reach of the keyboard and says
 * why: `hindrance`, or that the visitor may not act at all.
 */
export function actButton(label, act, data = {}, { hindrance = "", danger = false, about = "" } = {}) {
  const why = visitor.may_act ? hindrance : visitor.why_not;
  const values = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return h(
    "button",
    { type: "button", class: `small ${danger ? "danger" : ""}`, "data-act": act, ...values, "aria-disabled": why ? "true" : undefined, title: why || undefined, "aria-label": about ? `${label} ${about}` : undefined },
    label,
  );
}

/** Does what the buttons of a view stand for; `acts` by name. */
export function wireActs(root, acts) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-act]");
    if (button && button.getAttribute("aria-disabled") !== "true") acts[button.dataset.act]?.(button.dataset);
  });
}

export function panel(title, attributes, ...content) {
  const { note, ...rest } = attributes;
  return h("section", { ...rest, class: `panel ${rest.class ?? ""}` }, h("h2", {}, title, note ? h("small", {}, note) : null), content);
}

export function tile(name, value, { note, tone, spark } = {}) {
  return h(
    "div",
    { class: `tile ${tone ?? ""}`, "data-key": name },
    h("p", { class: "tile-name" }, name), h("p", { class: "tile-value" }, value), note ? h("p", { class: "tile-note" }, note) : null, spark,
  );
}

/** A table that scrolls inside its frame; columns: [title, class]. */
export function table(label, columns, rows, empty) {
  if (!rows.length) return h("p", { class: "quiet" }, empty);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))),
      h("tbody", {}, rows),
    ),
  );
}

export function row(key, cells, kinds = []) {
  return h("tr", { "data-key": key }, cells.map((cell, index) => h(index ? "td" : "th", { scope: index ? undefined : "row", class: kinds[index] }, cell)));
}

const GOOD = new Set(["ready", "better", "promoted", "completed", "done", "succeeded", "enforced", "active", "candidate", "finished", "healthy", "connected"]);
const BAD = new Set(["failed", "unreachable", "rolled_back", "aborted", "crashed", "refused", "worse", "not ready", "disconnected", "guard"]);
const BUSY = new Set(["starting", "draining", "shifting", "waiting", "running", "promoting", "rolling_back", "abandoned", "stopping", "undecided", "collecting", "not enforced"]);

/** A state as a word with a tone; the word alone already says it. */
export function badge(word, tone) {
  const plain = String(word ?? "unknown");
  const key = plain.toLowerCase();
  const kind = tone ?? (GOOD.has(key) ? "good" : BAD.has(key) ? "bad" : BUSY.has(key) ? "busy" : "");
  return h("span", { class: `state ${kind}` }, plain.replaceAll("_", " "));
}

/** The colour of a service, the same in every view. */
export function serviceColour(index) {
  return `var(--series-${(index % 8) + 1})`;
}

export function serviceName(key) {
  const index = state.city?.services.findIndex((each) => each.key === key) ?? -1;
  return { index: Math.max(index, 0), spec: state.city?.services[index] };
}

export function swatch(colour) {
  return h("span", { class: "swatch", "aria-hidden": "true", vars: { "--fill": colour } });
}

/** Key-value pairs. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function count(value, one, many) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** Column kinds. */
export const NUM = "num";
