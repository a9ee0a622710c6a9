// A1 policies: what is in force, and a form made from the schema of each type.

import { act, path, visitor } from "../acts.js";
import { ask } from "../dialog.js";
import { h, render } from "../dom.js";
import { number } from "../format.js";
import { section, state } from "../state.js";
import { actButton, badge, heading, lookOnly, notConnected, notOffered, panel, row, table, wireActs } from "./common.js";
import { field } from "./schema-form.js";

export const uses = ["policies"];

let parts = null;
let chosenType = "";
let formKey = "";
let form = null;
let again = () => {};

export function wire(root, schedule) {
  again = schedule;
  wireActs(root, { remove });
}

export function draw(root) {
  const held = section("policies");
  parts ??= { status: h("div"), list: h("div"), form: h("div"), said: h("p", { class: "said", role: "status", "aria-live": "polite" }) };
  if (!root.contains(parts.list)) {
    root.replaceChildren(heading("Policies", "A1 policies of the non-real-time RIC, and whether they are enforced"), parts.status, parts.said, h("div", { class: "columns policies" }, parts.list, parts.form));
  }
  const usable = held.connected && held.offered !== false;
  render(parts.status, lookOnly(), held.connected ? (usable ? null : notOffered("A1-P version 2")) : notConnected("Manager", held));
  render(parts.list, usable ? listPanel(held) : null);
  drawForm(usable ? held : null);
}

function listPanel(held) {
  const rows = held.policies.map((each) =>
    row(
      `${each.type}/${each.id}`,
      [
        h("b", {}, each.id), each.type.replace(/^ORAN_/, ""), badge(each.enforced ? "enforced" : "not enforced"), each.enforced ? "" : h("small", {}, each.reason.toLowerCase().replaceAll("_", " ")),
        h("details", {}, h("summary", {}, "Show"), h("pre", {}, JSON.stringify(each.document, null, 2))),
        actButton("Delete…", "remove", { policy: each.id, type: each.type }, { danger: true, about: `policy ${each.id}` }),
      ],
    ));
  const note = held.total > held.policies.length ? `${number(held.policies.length)} of ${number(held.total)} shown` : `${number(held.total)} in all`;
  return panel("In force", { note }, table("Policies", [["Id"], ["Type"], ["Status"], [""], ["Document"], [""]], rows, "There is no policy: make one with the form."));
}

// --- the form: built when types or the choice change, never while it is being filled in ----------------------------------

function drawForm(held) {
  if (!held || !visitor.may_act) {
    formKey = "";
    parts.form.replaceChildren(held ? panel("New policy", {}, h("p", { class: "quiet" }, visitor.why_not)) : "");
    return;
  }
  const type = held.types.find((each) => each.id === chosenType) ?? held.types[0];
  const key = JSON.stringify([type?.id, held.types.map((each) => each.id), state.city?.fingerprint]);
  if (!type || key === formKey) return;
  formKey = key;
  chosenType = type.id;
  form = field(type.schema, "Policy", { required: true, suggestions: suggestions(), path: "policy" });
  const idInput = h("input", { id: "policy-id", type: "text", required: true, maxlength: 64, pattern: "[A-Za-z0-9._\\-]+", autocomplete: "off", spellcheck: "false" });
  const types = h("select", { id: "policy-type" }, held.types.map((each) => h("option", { value: each.id, selected: each.id === type.id }, each.id)));
  const preview = h("pre", { class: "preview", "aria-label": "The policy as it will be sent" });
  const element = h(
    "form",
    { autocomplete: "off", novalidate: false },
    h("div", { class: "fields" },
      h("div", { class: "field" }, h("label", { for: "policy-type" }, "Type"), types),
      h("div", { class: "field" }, h("label", { for: "policy-id" }, "Policy id", h("span", { class: "must" }, " *")), idInput)),
    form.element,
    h("details", {}, h("summary", {}, "As JSON"), preview),
    h("button", { type: "submit", class: "primary" }, "Create or replace"),
  );
  const show = () => (preview.textContent = JSON.stringify(form.value(), null, 2));
  show();
  element.addEventListener("input", show);
  types.addEventListener("change", () => {
    chosenType = types.value;
    formKey = "";
    again();
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    put(type.id, idInput.value, form.value());
  });
  parts.form.replaceChildren(panel("New policy", { note: "made from the schema of its type" }, element));
}

function suggestions() {
  const city = state.city;
  if (!city) return {};
  const { src, dst } = city.links;
  const isTransport = (index) => city.nodes[index].kind !== "o_ru";
  return {
    serviceIdList: city.services.map((each) => each.key),
    nodeIdList: city.nodes.filter((node) => node.kind !== "o_ru").map((node) => node.name),
    linkIdList: src.flatMap((from, link) => (isTransport(from) && isTransport(dst[link]) ? [`${city.nodes[from].name}>${city.nodes[dst[link]].name}`] : [])),
  };
}

// --- changes ------------------------------------------------------------------------------------------------------------

async function put(type, id, document) {
  say("", "");
  try {
    const { status } = await act("PUT", path("policies", type, id), document);
    say(`${status === 201 ? "Created" : "Replaced"} policy ${id}.`, "good");
  } catch (refusal) {
    say(`Refused (${refusal.kind}): ${refusal.message}`, "bad");
  }
}

function remove({ type, policy }) {
  ask({
    title: `Delete policy ${policy}?`,
    lead: `The ${type.replace(/^ORAN_/, "")} policy is no longer enforced; whoever it held back is free again.`,
    submit: "Delete",
    danger: true,
    perform: async () => {
      await act("DELETE", path("policies", type, policy));
      return `Deleted policy ${policy}.`;
    },
  });
}

function say(words, tone) {
  parts.said.textContent = words;
  parts.said.className = `said ${tone}`;
}
