// Services: Grade of Service, load and latency, each with what it was in the last minutes.

import { meter, sparkline, stackedBar } from "../charts.js";
import { h, render } from "../dom.js";
import { gos, ms, number, percent, rate } from "../format.js";
import { section, series } from "../state.js";
import { heading, notConnected, NUM, panel, row, serviceColour, serviceName, swatch, table, tile } from "./common.js";

export const uses = ["services", "ric", "point"];

export function draw(root) {
  const [services, ric] = [section("services"), section("ric")];
  render(
    root,
    heading("Services", services.connected ? `Rates and quantiles over the last ${services.span_s} s` : ""),
    services.connected ? [tiles(services, ric), byService(services, ric)] : notConnected("E2 nodes", services),
    ric.connected ? ricPanels(ric) : notConnected("RIC metrics", ric),
  );
}

function tiles(services, ric) {
  return h(
    "div",
    { class: "tiles" },
    tile("Grade of Service", gos(services.recent_gos_ratio), { note: `${gos(services.gos_ratio)} since the start`, spark: sparkline(series("gos"), { label: "GoS", high: 1, span: 0.1, format: gos }) }),
    tile("Requests / s", rate(services.requests_per_s), { note: `${number(services.outstanding)} outstanding`, spark: spark("rate", "Requests per second", rate, 0) }),
    tile("Active flows", number(services.active_flows), { note: services.clock_lag_s > 1 ? `clock ${number(services.clock_lag_s)} s behind` : "on schedule", spark: spark("active", "Active flows", number, 0) }),
    tile("Decision at the RIC", ms(ric.decision_ms?.p50), { note: `p99 ${ms(ric.decision_ms?.p99)}` }),
    tile("Commit on the store", ms(ric.commit_ms?.p50), { note: `p99 ${ms(ric.commit_ms?.p99)}` }),
  );
}

function spark(name, label, format, low) {
  return sparkline(series(name), { label, format, low });
}

function byService(services, ric) {
  const rows = Object.entries(services.services).map(([key, each]) => {
    const { index, spec } = serviceName(key);
    const colour = serviceColour(index);
    const budget = spec?.budget_ms;
    const latency = each.latency_ms.p95;
    return row(
      key,
      [
        h("div", { class: "service" }, swatch(colour), h("span", {}, h("b", {}, spec?.label ?? key), h("small", {}, spec ? `${key} · ${spec.slice_class}` : key))),
        h("div", { class: "figure" }, h("b", {}, gos(each.recent_gos_ratio)), h("small", {}, `${gos(each.gos_ratio)} in all`)),
        sparkline(series(`gos/${key}`), { label: `GoS of ${key}`, colour, high: 1, span: 0.1, format: gos }),
        h("div", { class: "figure" }, h("b", {}, rate(each.requests_per_s)), h("small", {}, `${number(each.requests)} in all`)),
        sparkline(series(`rate/${key}`), { label: `Requests per second of ${key}`, colour, low: 0, format: rate }),
        number(each.active_flows),
        h(
          "div", { class: "latency" },
          h("span", {}, h("b", {}, ms(latency)), h("small", {}, ` p50 ${ms(each.latency_ms.p50)}`)),
          meter(latency, budget, `p95 latency ${ms(latency)} of a budget of ${ms(budget)}`, { colour }),
          h("small", {}, `budget ${ms(budget)}`),
        ),
        h("div", { class: "figure" }, h("b", {}, ms(each.decision_ms.p50)), h("small", {}, `p99 ${ms(each.decision_ms.p99)}`)),
        outcomes(key, each.recent_answers),
        number(ric.aborts_by_service?.[key] ?? (ric.connected ? 0 : null)),
      ],
      ["", NUM, "spark-cell", NUM, "spark-cell", NUM, "", NUM, "outcome-cell", NUM],
    );
  });
  const columns = [["Service"], ["GoS", NUM], ["five minutes"], ["Requests / s", NUM], ["five minutes"], ["Active", NUM], ["Flow latency p95"], ["Decision", NUM], ["Answers"], ["Aborts", NUM]];
  return panel("By service", { note: "answers: accepted · rejected · default action" }, table("Services", columns, rows, "No service has been seen yet."));
}

function outcomes(key, answers) {
  const total = Object.values(answers).reduce((sum, value) => sum + value, 0);
  if (!total) return h("small", {}, "none lately");
  const colours = { accepted: "var(--good)", rejected: "var(--warn)", default: "var(--bad)" };
  const parts = ["accepted", "rejected", "default"].map((name) => ({ label: name, value: Math.round(answers[name] ?? 0), colour: colours[name] }));
  return stackedBar(parts, total, `Answers for ${key}`);
}

function ricPanels(ric) {
  const bars = (entries, format) => {
    const most = Math.max(...entries.map(([, value]) => value), 1e-9);
    return entries.length
      ? h("ul", { class: "bars" }, entries.map(([name, value]) => h("li", { class: "bar-row", "data-key": name, vars: { "--share": (value / most).toFixed(3) } },
        h("span", { class: "bar-fill" }), h("span", { class: "bar-name" }, name.replaceAll("_", " ")), h("span", { class: "bar-value" }, format(value)))))
      : h("p", { class: "quiet" }, "None in the last half minute.");
  };
  const above0 = (counts) => Object.entries(counts).filter(([, value]) => value > 0);
  return h(
    "div",
    { class: "columns" },
    panel("Commits", { note: "by verdict" }, bars(above0(ric.commits), number)),
    panel("Aborts", { note: "by first violated constraint" }, bars(above0(ric.aborts), number)),
    panel("Compute in use", { note: "of the admissible" }, bars(Object.entries(ric.tiers), percent)),
    panel("Waiting at the RIC", { note: "requests" }, bars(Object.entries(ric.queue), number)),
  );
}
