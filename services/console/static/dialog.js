// One dialog for every act: what will happen, what is asked for, how it goes on, what became of it. It lies outside the views, so
// that new frames leave it alone; the browser keeps the focus in it, closes it with Escape, and gives the focus back.

import { Refusal } from "./acts.js";
import { meter } from "./charts.js";
import { h, render } from "./dom.js";

let number = 0;

/**
 * Opens a dialog that does `perform` once its form is submitted.
 *
 * `perform(tell, signal)` resolves with the closing sentence, and calls `tell(text, percent)` on the way; a `Refusal` leaves the
 * form as it was. Closing the dialog aborts `signal`: what has been asked for goes on, only nobody waits for it here.
 */
export function ask({ title, lead, content = [], submit, danger = false, perform }) {
  number += 1;
  const ids = { title: `dialog-${number}-title`, lead: `dialog-${number}-lead` };
  const left = new AbortController();
  const parts = {
    fields: h("div", { class: "dialog-fields" }, content),
    progress: h("div", { class: "dialog-progress", role: "status" }),
    error: h("p", { class: "said bad", role: "alert" }),
    go: h("button", { type: "submit", class: danger ? "primary danger-go" : "primary" }, submit),
    close: h("button", { type: "button" }, "Cancel"),
  };
  const form = h("form", { method: "dialog", autocomplete: "off" }, parts.fields, parts.progress, parts.error,
    h("div", { class: "dialog-buttons" }, parts.close, parts.go));
  const dialog = h("dialog", { "aria-labelledby": ids.title, "aria-describedby": lead ? ids.lead : undefined },
    h("h2", { id: ids.title }, title), lead ? h("p", { id: ids.lead, class: "dialog-lead" }, lead) : null, form);
  parts.close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    left.abort(new Refusal("closed", "the dialog was closed"));
    dialog.remove();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(parts, perform, left.signal);
  });
  document.body.append(dialog);
  dialog.showModal();
  // Where something will be lost, Enter alone must not do it.
  (danger ? parts.close : (parts.fields.querySelector("input, select, textarea") ?? parts.go)).focus();
  return dialog;
}

async function run(parts, perform, signal) {
  const tell = (text, percent) => render(parts.progress, h("span", {}, text), percent === undefined ? null : meter(percent, 100, `${percent} %`));
  busy(parts, true);
  parts.error.textContent = "";
  tell("Asking …");
  try {
    const done = await perform(tell, signal);
    render(parts.progress, h("span", { class: "said good" }, done));
    parts.go.remove();
    parts.close.textContent = "Close";
    parts.close.focus();
  } catch (error) {
    render(parts.progress);
    if (!signal.aborted) parts.error.textContent = error instanceof Refusal ? `Refused (${error.kind}): ${error.message}` : String(error);
    busy(parts, false);
  }
}

function busy(parts, now) {
  parts.fields.inert = now;
  parts.go.disabled = now;
  parts.close.textContent = now ? "Close, it goes on" : "Cancel";
}
