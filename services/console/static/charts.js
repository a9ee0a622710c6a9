// Small charts as SVG and bars; every one says in words what it shows.

import { h, s } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** A line over the history; `low` and `high` fix the scale, otherwise it fits the values and is `span` high at least. */
export function sparkline(values, { label, colour, low, high, span = 0, also, format = String } = {}) {
  const seen = [...(values ?? []), ...(also ?? [])].filter((value) => value !== null && value !== undefined);
  if (seen.length < 2) return h("span", { class: "spark-none" }, "collecting");
  const ceiling = high ?? Math.max(...seen);
  const bottom = low ?? Math.min(...seen, ceiling - span);
  const top = Math.max(ceiling, bottom + 1e-9);
  const latest = seen.length - (also?.length ?? 0) - 1;
  return s(
    "svg",
    {
      class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${label}: ${format(Math.min(...seen))} to ${format(Math.max(...seen))} in the last minutes, now ${format(seen[latest])}`,
      vars: colour ? { "--line": colour } : undefined,
    },
    also && s("path", { class: "spark-also", d: path(also, bottom, top) }),
    s("path", { class: "spark-area", d: area(values, bottom, top) }),
    s("path", { class: "spark-line", d: path(values, bottom, top) }),
  );
}

function points(values, bottom, top) {
  const step = WIDTH / Math.max(values.length - 1, 1);
  return values.map((value, index) =>
    value === null || value === undefined
      ? null
      : [index * step, HEIGHT - 2 - ((Math.min(Math.max(value, bottom), top) - bottom) / (top - bottom)) * (HEIGHT - 4)],
  );
}

function path(values, bottom, top) {
  let pen = "M";
  let d = "";
  for (const point of points(values, bottom, top)) {
    if (point === null) pen = "M";
    else {
      d += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = "L";
    }
  }
  return d;
}

function area(values, bottom, top) {
  const known = points(values, bottom, top).filter((point) => point !== null);
  if (known.length < 2) return "";
  const line = known.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  return `M${known[0][0].toFixed(1)} ${HEIGHT}L${line}L${known.at(-1)[0].toFixed(1)} ${HEIGHT}Z`;
}

/** Parts of a whole side by side. `parts`: {label, value, colour, inner?}; `inner` is the filled share of a part, 0 to 1. */
export function stackedBar(parts, whole, label) {
  const total = Math.max(whole, parts.reduce((sum, part) => sum + part.value, 0), 1e-9);
  return h(
    "div",
    { class: "stack", role: "img", "aria-label": `${label}: ${parts.map((each) => `${each.label} ${round(each.value)}`).join(", ")}` },
    parts.map((part) =>
      h(
        "span",
        {
          class: part.inner === undefined ? "stack-part" : "stack-part stack-outer",
          title: `${part.label} ${round(part.value)}`,
          vars: { "--share": (part.value / total).toFixed(4), "--fill": part.colour, "--inner": (part.inner ?? 1).toFixed(3) },
        },
        part.value / total > 0.09 ? h("span", { class: "stack-label" }, round(part.value)) : null,
      ),
    ),
  );
}

/** A value against its limit. */
export function meter(value, limit, label, { colour } = {}) {
  const share = limit > 0 && value !== null && value !== undefined ? value / limit : 0;
  return h(
    "div",
    {
      class: `meter${share > 1 ? " over" : ""}`, role: "img", "aria-label": label,
      vars: { "--share": Math.min(share, 1).toFixed(4), ...(colour ? { "--fill": colour } : {}) },
    },
    h("span", { class: "meter-fill" }),
  );
}

/** Lines over an x axis: `lines` {label, values, class}, `band` {low, high}; all arrays are as long as `x`. */
export function lineChart(x, lines, { label, band, zero = false } = {}) {
  const width = 480;
  const height = 140;
  const seen = [...lines.flatMap((line) => line.values), ...(band ? [...band.low, ...band.high] : []), ...(zero ? [0] : [])].filter(Number.isFinite);
  if (x.length < 2 || !seen.length) return h("p", { class: "quiet" }, "Not enough points for a chart yet.");
  const [left, right] = [x[0], Math.max(x.at(-1), x[0] + 1e-9)];
  const [bottom, top] = [Math.min(...seen), Math.max(Math.max(...seen), Math.min(...seen) + 1e-9)];
  const at = (each, value) => `${(((each - left) / (right - left)) * (width - 60) + 50).toFixed(1)} ${(height - 22 - ((value - bottom) / (top - bottom)) * (height - 34)).toFixed(1)}`;
  const line = (values) => values.map((value, index) => (Number.isFinite(value) ? at(x[index], value) : null)).filter(Boolean);
  return s(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    band && s("path", { class: "chart-band", d: `M${[...line(band.low), ...line(band.high).reverse()].join("L")}Z` }),
    zero && s("path", { class: "chart-zero", d: `M${at(left, 0)}L${at(right, 0)}` }),
    lines.map((each) => s("path", { class: `chart-line ${each.class ?? ""}`, d: `M${line(each.values).join("L")}` })),
    s("text", { class: "chart-text", x: 44, y: 14, "text-anchor": "end" }, short(top)),
    s("text", { class: "chart-text", x: 44, y: height - 20, "text-anchor": "end" }, short(bottom)),
    s("text", { class: "chart-text", x: 50, y: height - 6 }, short(left)),
    s("text", { class: "chart-text", x: width - 8, y: height - 6, "text-anchor": "end" }, short(right)),
  );
}

function round(value) {
  return value >= 10 || value === 0 ? String(Math.round(value)) : value.toFixed(1);
}

function short(value) {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
