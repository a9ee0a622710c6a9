// What the server said last, section by section, and the history of the sparklines.

const MOST_POINTS = 300;
const LATE_MS = 5000;
const watchers = new Set();

export const state = { sections: {}, history: { at_s: [], series: {} }, city: null, stream: "connecting" };

/** A section; `{connected: false}` with the reason when there is nothing. */
export function section(name) {
  return state.sections[name] ?? { connected: false, why: "waiting for the first look", waiting: true };
}

/** Values of a history series, null where there was none. */
export function series(name) {
  return state.history.series[name] ?? [];
}

export function service(index) {
  return state.city?.services[index];
}

/** The first truthy value of `look`, which is asked whenever something has changed; rejects once `signal` is aborted. */
export function until(look, signal) {
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      watchers.delete(ask);
      settle(value);
    };
    const ask = () => {
      const found = look();
      if (found) end(resolve, found);
    };
    signal.addEventListener("abort", () => end(reject, signal.reason), { once: true });
    watchers.add(ask);
    ask();
  });
}

function append(point) {
  const { at_s: times, series: all } = state.history;
  times.push(point.at_s);
  for (const name of Object.keys(point.values)) all[name] ??= new Array(times.length - 1).fill(null);
  for (const [name, values] of Object.entries(all)) values.push(point.values[name] ?? null);
  if (times.length > MOST_POINTS) {
    times.shift();
    for (const values of Object.values(all)) values.shift();
  }
}

async function loadCity(fingerprint) {
  if (state.city?.fingerprint === fingerprint) return false;
  const answer = await fetch("api/v1/city");
  if (!answer.ok) return false;
  state.city = await answer.json();
  return true;
}

/** Listens for ever; `drawn` is called with the names of the sections that changed. */
export function listen(drawn) {
  const changed = (names) => {
    for (const ask of [...watchers]) ask();
    drawn(names);
  };
  const source = new EventSource("api/v1/events");
  let heard = performance.now();
  source.addEventListener("history", (event) => {
    state.history = JSON.parse(event.data);
    heard = performance.now();
  });
  source.addEventListener("state", async (event) => {
    heard = performance.now();
    const sections = JSON.parse(event.data);
    // The history of a new connection already ends with this point.
    if (sections.point && sections.point.at_s !== state.history.at_s.at(-1)) append(sections.point);
    Object.assign(state.sections, sections);
    state.stream = "live";
    const names = new Set(Object.keys(sections));
    changed(names);
    if (sections.load?.fingerprint && (await loadCity(sections.load.fingerprint))) changed(new Set(["city"]));
  });
  source.addEventListener("error", () => {
    state.stream = "lost";
    changed(new Set(["stream"]));
  });
  setInterval(() => {
    if (state.stream === "live" && performance.now() - heard > LATE_MS) {
      state.stream = "lost";
      changed(new Set(["stream"]));
    }
  }, 1000);
}
