// A form from a JSON schema: objects, arrays, enums, numbers and texts; anything else is written as JSON.

import { h } from "../dom.js";

/** A field for `schema`: {element, value()}; `value()` is undefined where nothing was given. */
export function field(schema, name, { required = false, suggestions = {}, path = name } = {}) {
  const given = { required, suggestions, path };
  if (schema.enum) return choice(schema, name, given);
  if (schema.type === "object" && schema.properties) return group(schema, name, given);
  if (schema.type === "array" && schema.items?.type === "string") return words(schema, name, given);
  if (schema.type === "array" && schema.items?.properties) return several(schema, name, given);
  if (schema.type === "number" || schema.type === "integer") return numeric(schema, name, given);
  if (schema.type === "string") return line(schema, name, given);
  return raw(schema, name, given);
}

/** A control with its label and a hint; `given`: {path, required}, from which its id is made. */
export function labelled(name, given, control, hint) {
  const id = `field-${given.path.replace(/[^\w-]+/g, "-")}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" }, h("label", { for: id }, name, given.required ? h("span", { class: "must", title: "required" }, " *") : null), control,
    hint ? h("small", { id: `${id}-hint` }, hint) : null);
}

function choice(schema, name, given) {
  const control = h("select", { required: given.required }, given.required ? null : h("option", { value: "" }, "not given"),
    schema.enum.map((each, index) => h("option", { value: String(index) }, each)));
  return { element: labelled(name, given, control), value: () => (control.value === "" ? undefined : schema.enum[Number(control.value)]) };
}

function numeric(schema, name, given) {
  const { minimum, maximum, type } = schema;
  const hint = [minimum !== undefined ? `from ${minimum}` : "", maximum !== undefined ? `to ${maximum}` : ""].filter(Boolean).join(" ");
  const control = h("input", { type: "number", min: minimum, max: maximum, step: type === "integer" ? 1 : "any", required: given.required });
  return { element: labelled(name, given, control, hint), value: () => (control.value === "" ? undefined : Number(control.value)) };
}

function line(schema, name, given) {
  const control = h("input", { type: "text", minlength: schema.minLength, maxlength: schema.maxLength, pattern: plain(schema.pattern), required: given.required, autocomplete: "off", spellcheck: "false" });
  return { element: labelled(name, given, control, schema.pattern ? `pattern ${schema.pattern}` : ""), value: () => control.value || undefined };
}

/** HTML anchors a pattern by itself. */
function plain(pattern) {
  return pattern?.replace(/^\^/, "").replace(/\$$/, "");
}

function words(schema, name, given) {
  const known = given.suggestions[name] ?? [];
  const listId = `list-${given.path.replace(/[^\w-]+/g, "-")}`;
  const control = h("input", { type: "text", required: given.required, autocomplete: "off", spellcheck: "false", list: known.length ? listId : undefined });
  const element = labelled(name, given, control, known.length ? `several with commas, e.g. ${known.slice(0, 2).join(", ")}` : "several with commas");
  if (known.length) element.append(h("datalist", { id: listId }, known.slice(0, 1000).map((each) => h("option", { value: each }))));
  const value = () => {
    const list = control.value.split(",").map((each) => each.trim()).filter(Boolean);
    return list.length ? list : undefined;
  };
  return { element, value };
}

function group(schema, name, given) {
  const must = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties).map(([key, each]) => [
    key, field(each, key, { required: given.required && must.has(key), suggestions: given.suggestions, path: `${given.path}.${key}` }),
  ]);
  const isSide = ([key]) => !must.has(key) && isRaw(schema.properties[key]);
  const side = fields.filter(isSide).map(([, each]) => each.element);
  const shown = [
    ...fields.filter((each) => !isSide(each)).map(([, each]) => each.element),
    side.length ? h("details", { class: "side" }, h("summary", {}, `Further fields: ${fields.filter(isSide).map(([key]) => key).join(", ")}`), h("div", { class: "fields" }, side)) : null,
  ];
  const body = !given.required && fields.length > 1 ? h("details", {}, h("summary", {}, name), h("div", { class: "fields" }, shown)) : [h("legend", {}, name, given.required ? h("span", { class: "must" }, " *") : null), h("div", { class: "fields" }, shown)];
  const value = () => {
    const found = fields.map(([key, each]) => [key, each.value()]).filter(([, each]) => each !== undefined);
    return found.length || given.required ? Object.fromEntries(found) : undefined;
  };
  return { element: h("fieldset", {}, body), value };
}

function several(schema, name, given) {
  const items = [];
  const holder = h("div", { class: "items" });
  const most = schema.maxItems ?? Infinity;
  let made = 0;
  const add = h("button", { type: "button", class: "small" }, "Add another");
  function another() {
    if (items.length >= most) return;
    made += 1;
    const item = field(schema.items, `${name} ${made}`, { required: true, suggestions: given.suggestions, path: `${given.path}.${made}` });
    const remove = h("button", { type: "button", class: "small", "aria-label": `Remove ${name} ${made}` }, "Remove");
    const entry = h("div", { class: "item" }, item.element, remove);
    remove.addEventListener("click", () => {
      if (items.length <= (schema.minItems ?? 0)) return;
      items.splice(items.indexOf(item), 1);
      entry.remove();
      add.focus();
      holder.dispatchEvent(new Event("input", { bubbles: true }));
    });
    items.push(item);
    holder.append(entry);
  }
  for (let index = 0; index < Math.max(schema.minItems ?? 0, given.required ? 1 : 0); index += 1) another();
  add.addEventListener("click", () => {
    another();
    holder.lastElementChild.querySelector("input, select, textarea")?.focus();
  });
  const value = () => (items.length ? items.map((each) => each.value() ?? {}) : undefined);
  return { element: h("fieldset", {}, h("legend", {}, name, given.required ? h("span", { class: "must" }, " *") : null), holder, add), value };
}

/** Nothing is known of it but that it is JSON. */
function isRaw(schema) {
  return !schema.enum && !schema.properties && !schema.items?.properties && (schema.type === "object" || schema.type === "array" ? schema.items?.type !== "string" : Array.isArray(schema.type));
}

function raw(schema, name, given) {
  const control = h("textarea", { rows: 2, required: given.required, spellcheck: "false" });
  control.addEventListener("input", () => control.setCustomValidity(parsed(control.value) === null ? "JSON is expected here" : ""));
  const value = () => {
    const found = parsed(control.value);
    return found === null ? undefined : found;
  };
  return { element: labelled(name, given, control, "JSON"), value };
}

function parsed(text) {
  if (!text.trim()) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
