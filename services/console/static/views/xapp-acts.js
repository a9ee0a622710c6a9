// What an operator does with an xApp that is in the catalogue: deploy, upgrade, configure, stop, forget.

import { act, path } from "../acts.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { number } from "../format.js";
import { section, until } from "../state.js";
import { count } from "./common.js";
import { labelled } from "./schema-form.js";

const WEIGHTS = "10, 50, 100";
const SETTING = /^(RICITY_[A-Z0-9_]+)=(.*)$/;

/** By the names that buttons carry; each takes the button's data. */
export const xappActs = { deploy, upgrade, rollback, configure, stop, stopStandby, forget };

/** The manager's word on an xApp, undefined if it does not know it. */
export function managed(name) {
  return (section("desired_xapps").xapps ?? []).find((each) => each.name === name);
}

/** The rollout of an xApp that is under way. */
export function underway(name) {
  return (section("rollouts").rollouts ?? []).find((each) => each.xapp === name && each.ended_at === null);
}

/** The version that serves: the wanted one, or of an xApp that others have started the one with the largest weight. */
export function servingVersion(wanted) {
  if (wanted?.desired?.replicas) return wanted.desired.version;
  const attached = (wanted?.versions ?? []).filter((each) => each.instances.length).sort((a, b) => b.weight - a.weight);
  return attached[0]?.version ?? "";
}

/** Versions but `without`, the newest first. */
export function versionsBut(wanted, without) {
  const found = (wanted?.versions ?? []).map((each) => each.version).filter((each) => each !== without);
  return found.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}

export function choice(values, chosen) {
  return offer(h("select"), values, chosen);
}

/** Gives a select other values; the first one is chosen if none is named. */
export function offer(select, values, chosen = values[0]) {
  select.replaceChildren(...values.map((each) => h("option", { value: each }, each)));
  select.value = chosen ?? "";
  return select;
}

/** Starts instances of a version beside the one that serves, and waits until one is ready. */
export async function standBy(name, version, tell, signal) {
  await act("POST", path("xapps", name, "deploy"), { version, replicas: 1, standby: true });
  await until(() => {
    tell(`Waiting for ${version}: ${instancesText(name, version)}`);
    return ready(name, version).length > 0;
  }, signal);
}

function deploy({ xapp }) {
  const wanted = managed(xapp);
  const [serving, versions] = [wanted.desired?.replicas ? wanted.desired.version : "", versionsBut(wanted, "")];
  const version = choice(versions, serving || wanted.descriptor_version);
  const replicas = h("input", { type: "number", min: 1, max: 16, step: 1, required: true, value: wanted.desired?.replicas || 1 });
  const standby = h("input", { type: "checkbox" });
  ask({
    title: `Deploy ${xapp}`,
    lead: serving ? `${serving} serves with ${count(wanted.desired.replicas, "instance", "instances")}: change how many there are, or start another version on standby.` : "Instances start and take requests as soon as they are ready.",
    content: [
      labelled("Version", { path: "deploy-version", required: true }, version),
      labelled("Instances", { path: "deploy-replicas", required: true }, replicas, "1 to 16"),
      serving ? h("label", { class: "check" }, standby, "On standby: attached at weight 0, for an A/B test") : null,
    ],
    submit: "Deploy",
    perform: async (tell, signal) => {
      const [chosen, wished] = [version.value, Number(replicas.value)];
      await act("POST", path("xapps", xapp, "deploy"), { version: chosen, replicas: wished, standby: standby.checked });
      await until(() => {
        tell(`Waiting for ${chosen}: ${instancesText(xapp, chosen)}`, Math.min(100, (100 * ready(xapp, chosen).length) / wished));
        return ready(xapp, chosen).length === wished;
      }, signal);
      return `${xapp} ${chosen}: ${count(wished, "instance is", "instances are")} ready.`;
    },
  });
}

function upgrade({ xapp }) {
  const wanted = managed(xapp);
  const serving = servingVersion(wanted);
  const version = choice(versionsBut(wanted, serving));
  const weights = h("input", { type: "text", required: true, value: WEIGHTS, pattern: "\\s*\\d+(\\s*,\\s*\\d+)*\\s*", spellcheck: "false" });
  const step = seconds(1, 0);
  const [readyWithin, drainWithin] = [seconds(60, 1), seconds(10, 0)];
  ask({
    title: `Upgrade ${xapp}`,
    lead: `From ${serving || "nothing"}: the new version starts, takes its shares step by step, the old one answers what it holds and stops. If the new one fails, the old one goes on.`,
    content: [
      labelled("To version", { path: "upgrade-to", required: true }, version),
      labelled("Shares of the new version", { path: "upgrade-weights", required: true }, weights, "percent, rising, the last one 100"),
      labelled("Each share for", { path: "upgrade-step", required: true }, step, "seconds"),
      h("details", {}, h("summary", {}, "Limits"), h("div", { class: "fields" },
        labelled("Ready within", { path: "upgrade-ready", required: true }, readyWithin, "seconds"),
        labelled("Drained within", { path: "upgrade-drain", required: true }, drainWithin, "seconds"))),
    ],
    submit: "Upgrade",
    perform: async (tell, signal) => {
      const plan = { to: version.value, weights_percent: weights.value.split(",").map(Number), step_s: Number(step.value), ready_within_s: Number(readyWithin.value), drain_within_s: Number(drainWithin.value) };
      const { document } = await act("POST", path("xapps", xapp, "upgrade"), plan);
      return follow(document.id, tell, signal);
    },
  });
}

function seconds(value, min) {
  return h("input", { type: "number", min, max: 600, step: "any", required: true, value });
}

function rollback({ xapp }) {
  const running = underway(xapp);
  ask({
    title: `Roll back ${xapp}`,
    lead: running ? `Ends the rollout to ${running.to} that is under way; ${running.from || "nothing"} serves again.` : "Goes back to the version before the last upgrade, by an upgrade of its own.",
    submit: "Roll back",
    danger: true,
    perform: async (tell, signal) => {
      const { document } = await act("POST", path("xapps", xapp, "rollback"));
      return follow(document.id, tell, signal);
    },
  });
}

/** Tells a rollout's steps until it has ended, and how it did. */
async function follow(id, tell, signal) {
  const ended = await until(() => {
    const found = (section("rollouts").rollouts ?? []).find((each) => each.id === id);
    if (found) tell(`${found.step.replaceAll("_", " ")}: ${found.waits_for ? `waits for the driver: ${found.waits_for}` : found.events.at(-1)?.text ?? ""}`, found.weight_percent);
    return found?.ended_at ? found : null;
  }, signal);
  return `${ended.xapp} ${ended.from || "nothing"} → ${ended.to}: ${ended.state}${ended.reason ? ` (${ended.reason})` : ""}; ${number(ended.requests)} requests meanwhile, ${number(ended.lost)} lost, ${number(ended.doubled)} doubled.`;
}

function configure({ xapp }) {
  const { desired } = managed(xapp);
  const lines = Object.entries(desired.config).map(([name, value]) => `${name}=${value}`).join("\n");
  const settings = h("textarea", { rows: 6, spellcheck: "false", class: "mono-input" }, lines);
  settings.addEventListener("input", () => settings.setCustomValidity(wrongLine(settings.value)));
  ask({
    title: `Configuration of ${xapp}`,
    lead: `Generation ${desired.config_generation}. Instances with the new one take over from those with the old one; the version stays.`,
    content: [labelled("Settings, whole", { path: "config" }, settings, "one RICITY_NAME=value a line; empty: those of the descriptor")],
    submit: "Apply",
    perform: async (tell, signal) => {
      const config = Object.fromEntries(settingLines(settings.value).map((each) => SETTING.exec(each).slice(1)));
      const kept = (await act("PUT", path("xapps", xapp, "config"), config)).document;
      const generation = kept.config_generation;
      if (!kept.replicas) return `Kept as generation ${generation}; none runs, the next instance starts with it.`;
      await until(() => {
        const running = ready(xapp, desired.version).map((each) => each.generation);
        tell(`Waiting for generation ${generation}; running: ${running.join(", ") || "none"}`);
        return running.length > 0 && running.every((each) => each === generation);
      }, signal);
      return `Every instance of ${xapp} runs generation ${generation}.`;
    },
  });
}

/** The lines of a text of settings that say something. */
export function settingLines(text) {
  return text.split("\n").map((each) => each.trim()).filter(Boolean);
}

/** What is wrong with a text of settings, empty if nothing is. */
export function wrongLine(text) {
  const wrong = settingLines(text).find((each) => !SETTING.test(each));
  return wrong ? `${wrong}: expected RICITY_NAME=value` : "";
}

function stop({ xapp }) {
  const { desired } = managed(xapp);
  ask({
    title: `Stop ${xapp}?`,
    lead: `All instances, ${number(desired.replicas)} of ${desired.version}, answer what they hold and stop. Requests then wait for another one for the grace time, and get the nodes' default action after it.`,
    submit: "Stop",
    danger: true,
    perform: async (tell, signal) => {
      await act("POST", path("xapps", xapp, "deploy"), { version: desired.version, replicas: 0 });
      await until(() => {
        const left = ours(xapp, desired.version);
        tell(`${count(left.length, "instance", "instances")} left`);
        return !left.length;
      }, signal);
      return `${xapp}: stopped.`;
    },
  });
}

function stopStandby({ xapp, version }) {
  ask({
    title: `Stop ${version} of ${xapp}?`,
    lead: "It is on standby: what it holds is answered, and the version that serves goes on.",
    submit: "Stop",
    danger: true,
    perform: async (tell, signal) => {
      await act("POST", path("xapps", xapp, "deploy"), { version, replicas: 0, standby: true });
      await until(() => {
        tell(instancesText(xapp, version));
        return !ours(xapp, version).length;
      }, signal);
      return `${version} of ${xapp}: stopped.`;
    },
  });
}

function forget({ xapp }) {
  ask({
    title: `Forget ${xapp}?`,
    lead: "All its versions leave the catalogue; instances that the manager has started stop first. Only onboarding brings it back.",
    submit: "Forget",
    danger: true,
    perform: async (tell, signal) => {
      await act("DELETE", path("xapps", xapp));
      await until(() => {
        tell("Waiting until it is gone");
        return !managed(xapp)?.descriptor_version;
      }, signal);
      return `${xapp}: forgotten.`;
    },
  });
}

// --- instances by the manager's word --------------------------------------------------------------------------------------

function instances(name, version) {
  return managed(name)?.versions.find((each) => each.version === version)?.instances ?? [];
}

function ready(name, version) {
  return instances(name, version).filter((each) => each.state === "ready");
}

/** Those that the manager has started. */
function ours(name, version) {
  return instances(name, version).filter((each) => each.generation > 0);
}

function instancesText(name, version) {
  return instances(name, version).map((each) => `${each.instance_id} ${each.state}`).join(", ") || "no instance yet";
}
