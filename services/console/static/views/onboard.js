// Onboarding a version: a form of the fields most descriptors have, or a whole descriptor pasted or opened.

import { act } from "../acts.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { until } from "../state.js";
import { labelled } from "./schema-form.js";
import { managed, settingLines, wrongLine } from "./xapp-acts.js";

const EXAMPLE = `xapp_name: routing-{service}
version: 0.2.0
module: xapps.routing.main
services: [ar, gaming, industry, iot, video, voip]
subscriptions:
  inserts: ["{service}"]
controls: [route, reject]
resources: {cpus: 1.0, memory_mib: 512}
`;

export function onboard() {
  const [fields, pasted] = [fieldForm(), pasteForm()];
  const ways = h("select", {}, h("option", { value: "fields" }, "Fields"), h("option", { value: "paste" }, "Descriptor, YAML or JSON"));
  const show = () => {
    for (const [name, form] of [["fields", fields], ["paste", pasted]]) {
      form.element.hidden = form.element.disabled = ways.value !== name;
    }
  };
  ways.addEventListener("change", show);
  show();
  ask({
    title: "Onboard a version",
    lead: "It enters the catalogue; nothing starts.",
    content: [labelled("From", { path: "onboard-way" }, ways), fields.element, pasted.element],
    submit: "Onboard",
    perform: async (tell, signal) => {
      const { document } = await (ways.value === "fields" ? act("POST", "xapps", fields.document()) : act("POST", "xapps", pasted.text(), "application/yaml"));
      await until(() => document.xapps.every((name) => managed(name)?.versions.some((each) => each.version === document.version)), signal);
      return `${document.version} of ${document.xapps.join(", ")}: onboarded.`;
    },
  });
}

function text(value, attributes = {}) {
  return h("input", { type: "text", value, autocomplete: "off", spellcheck: "false", ...attributes });
}

function entry(name, key, control, hint = "", required = false) {
  return labelled(name, { path: `onboard-${key}`, required }, control, hint);
}

function words(control) {
  return control.value.split(",").map((each) => each.trim()).filter(Boolean);
}

function fieldForm() {
  const name = text("routing-{service}", { required: true, maxlength: 48 });
  const version = text("", { required: true, maxlength: 64, placeholder: "0.2.0" });
  const module = text("xapps.routing.main");
  const image = text("", { placeholder: "localhost:5000/ricity:dev", pattern: "(?:[^\\s/]+/)*[^\\s/:]+:[^\\s/:]+" });
  const services = text("ar, gaming, industry, iot, video, voip");
  const inserts = text("{service}");
  const env = h("textarea", { rows: 2, spellcheck: "false", class: "mono-input" });
  env.addEventListener("input", () => env.setCustomValidity(wrongLine(env.value)));
  const element = h("fieldset", { class: "plain" }, h("div", { class: "fields" },
    entry("Name", "name", name, "{service} stands for each of the services", true),
    entry("Version", "version", version, "as 1.2.3", true),
    entry("Module", "module", module, "started with python -m"),
    entry("Image", "image", image, "instead of a module: name:tag, with its registry before it"),
    entry("Services", "services", services, "one xApp for each; commas between"),
    entry("Requests it takes", "inserts", inserts, "services; commas between")),
    entry("Settings", "env", env, "one RICITY_NAME=value a line"));
  const document = () => {
    const found = { xapp_name: name.value, version: version.value };
    if (module.value) found.module = module.value;
    if (image.value) found.containers = [{ name: name.value.replace(/[{}]/g, ""), image: imageOf(image.value) }];
    if (words(services).length) found.services = words(services);
    if (words(inserts).length) found.subscriptions = { inserts: words(inserts) };
    if (env.value.trim()) found.env = Object.fromEntries(settingLines(env.value).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
    return found;
  };
  return { element, document };
}

/** `registry/name:tag` as a descriptor has it; what comes before the first slash is a registry if it has a dot or a port. */
function imageOf(given) {
  const [tag, whole] = [given.slice(given.lastIndexOf(":") + 1), given.slice(0, given.lastIndexOf(":"))];
  const slash = whole.indexOf("/");
  const first = slash < 0 ? "" : whole.slice(0, slash);
  const registry = /[.:]/.test(first) || first === "localhost" ? first : "";
  return { registry, name: registry ? whole.slice(slash + 1) : whole, tag };
}

function pasteForm() {
  const area = h("textarea", { rows: 14, required: true, spellcheck: "false", class: "mono-input", placeholder: EXAMPLE });
  const file = h("input", { type: "file", accept: ".yaml,.yml,.json" });
  file.addEventListener("change", async () => {
    if (file.files.length) area.value = await file.files[0].text();
  });
  const element = h("fieldset", { class: "plain" },
    entry("Descriptor", "text", area, "xapp.yaml, or O-RAN SC's config-file.json", true),
    entry("Open a file", "file", file));
  return { element, text: () => area.value };
}
