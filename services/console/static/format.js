// Numbers and times for people. A value that is not there is a dash, which is not 0.

export const NONE = "–";
const MINUS = "−";

function has(value) {
  return value !== null && value !== undefined && Number.isFinite(value);
}

export function number(value, digits = 0) {
  if (!has(value)) return NONE;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return value < 0 && Number(text.replaceAll(",", "")) !== 0 ? MINUS + text : text;
}

export function percent(ratio, digits = 0) {
  return has(ratio) ? `${number(100 * ratio, digits)} %` : NONE;
}

/** Grade of Service: never rounded up to 100 %. */
export function gos(ratio) {
  return has(ratio) ? `${number(Math.floor(1000 * ratio) / 10, 1)} %` : NONE;
}

export function ms(value) {
  if (!has(value)) return NONE;
  return `${number(value, value < 1 ? 2 : value < 100 ? 1 : 0)} ms`;
}

export function mbps(kbps) {
  if (!has(kbps)) return NONE;
  return kbps >= 1e6 ? `${number(kbps / 1e6, 1)} Gbps` : `${number(kbps / 1e3, kbps < 1e4 ? 1 : 0)} Mbps`;
}

export function rate(value) {
  return has(value) ? number(value, value < 10 ? 1 : 0) : NONE;
}

/** Emulated time of day, hh:mm:ss. */
export function dayTime(seconds) {
  if (!has(seconds)) return NONE;
  const whole = Math.floor(seconds);
  const two = (each) => String(each).padStart(2, "0");
  const day = Math.floor(whole / 86400);
  const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return day ? `d${day} ${clock}` : clock;
}

/** Wall-clock time of seconds since the epoch, or of an ISO text. */
export function wallTime(at) {
  if (at === null || at === undefined) return NONE;
  const date = new Date(typeof at === "number" ? at * 1000 : at);
  return Number.isNaN(date.getTime()) ? String(at) : date.toLocaleTimeString("en-GB");
}

export function age(seconds) {
  if (!has(seconds)) return NONE;
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(seconds / 60)} min`;
  return `${number(seconds / 3600, 1)} h`;
}

export function text(value) {
  if (value === null || value === undefined || value === "") return NONE;
  if (typeof value === "number") return Number.isInteger(value) ? number(value) : number(value, 4);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
