// Where the city's nodes are drawn: kilometres to map units, and hosts of one site spread so that each can be seen.

export const UNITS_PER_KM = 30;
const MARGIN = 40;
const CLOSE = 17;
const RING = 19;
const TRANSPORT = new Set(["core", "aggregation", "access"]);

/** Positions [x, y] by node, and the size of the map. */
export function place(nodes) {
  const [west, east] = range(nodes.map((node) => node.x_km));
  const [south, north] = range(nodes.map((node) => node.y_km));
  const at = nodes.map((node) => [(node.x_km - west) * UNITS_PER_KM + MARGIN, (north - node.y_km) * UNITS_PER_KM + MARGIN]);
  const taken = nodes.map((node, index) => (TRANSPORT.has(node.kind) && node.kind !== "access" ? at[index] : null)).filter(Boolean);
  nodes.forEach((node, index) => {
    if (node.kind === "o_ru" || TRANSPORT.has(node.kind)) return;
    at[index] = free(at[index], taken);
    taken.push(at[index]);
  });
  return { at, width: (east - west) * UNITS_PER_KM + 2 * MARGIN, height: (north - south) * UNITS_PER_KM + 2 * MARGIN };
}

function range(values) {
  return [Math.min(...values), Math.max(...values)];
}

function free(wanted, taken) {
  const isFree = ([x, y]) => taken.every(([a, b]) => Math.hypot(a - x, b - y) >= CLOSE);
  if (isFree(wanted)) return wanted;
  for (let ring = 1; ring < 5; ring += 1) {
    for (let step = 0; step < 8 * ring; step += 1) {
      const angle = (step / (8 * ring)) * 2 * Math.PI - Math.PI / 2;
      const tried = [wanted[0] + ring * RING * Math.cos(angle), wanted[1] + ring * RING * Math.sin(angle)];
      if (isFree(tried)) return tried;
    }
  }
  return wanted;
}
