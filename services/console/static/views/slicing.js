// Slicing: resource blocks by slice, what they carried, rewards, and whose updates are sharpness-aware.

import { sparkline, stackedBar } from "../charts.js";
import { h, render } from "../dom.js";
import { age, ms, number, percent, rate } from "../format.js";
import { section, series } from "../state.js";
import { badge, heading, notConnected, NUM, panel, row, swatch, table, tile } from "./common.js";

export const uses = ["radio", "critic", "point"];

const SLICES = { embb: ["eMBB", "var(--slice-1)"], mmtc: ["mMTC", "var(--slice-2)"], urllc: ["URLLC", "var(--slice-3)"] };

export function draw(root) {
  const [radio, critic] = [section("radio"), section("critic")];
  render(
    root,
    heading("Slicing", "Resource blocks of every O-DU, and the actors that share them out"),
    radio.connected ? [tiles(radio, critic), units(radio, critic)] : notConnected("Radio network", radio),
    critic.connected ? learning(critic) : notConnected("Critic", critic),
  );
}

function tiles(radio, critic) {
  const dus = Object.keys(radio.dus).length;
  const underSam = Object.values(critic.actors ?? {}).filter((actor) => actor.under_sam).length;
  const gap = radio.reward === null || radio.rule_reward === null ? null : radio.reward - radio.rule_reward;
  return h(
    "div",
    { class: "tiles" },
    tile("Reward, mean", number(radio.reward, 3), {
      note: `rule ${number(radio.rule_reward, 3)} (${gap !== null && gap >= 0 ? "+" : ""}${number(gap, 3)})`,
      spark: sparkline(series("reward"), { label: "Mean reward", also: series("rule_reward"), format: (value) => number(value, 3) }),
    }),
    tile("Frames / s", rate(radio.frames_per_s), { note: `${number(radio.dapps_attached)} of ${dus} dApps attached`, tone: radio.dapps_attached < dus ? "warn" : "" }),
    tile("Answer of the dApps", ms(radio.answer_ms.p50), { note: `p99 ${ms(radio.answer_ms.p99)}` }),
    tile("Actors under SAM", critic.connected ? `${underSam} of ${Object.keys(critic.actors).length}` : "–", { note: critic.connected ? "largest TD variance" : "critic not connected" }),
    tile("Updates / s", critic.connected ? rate(critic.updates_per_s) : "–", { note: critic.connected ? `${number(critic.updates)} in all` : "critic not connected" }),
  );
}

function units(radio, critic) {
  const rows = Object.entries(radio.dus).map(([du, each]) => {
    const actor = critic.actors?.[du];
    const parts = radio.slices.map((slice, index) => ({
      label: SLICES[slice]?.[0] ?? slice,
      value: each.quota_rbs[index],
      colour: SLICES[slice]?.[1] ?? "var(--series-8)",
      inner: each.quota_rbs[index] > 0 ? Math.min(each.used_rbs[index] / each.quota_rbs[index], 1) : 0,
    }));
    const lost = (each.controls.missing ?? 0) + (each.controls.refused ?? 0);
    return row(
      du,
      [
        du.replace("_", "-").toUpperCase().replace("DU", "O-DU"),
        stackedBar(parts, radio.n_rbs, `Resource blocks of ${du}`),
        ...each.satisfied_ratio.map((ratio) => h("span", { class: ratio < 0.9 ? "weak" : "" }, percent(ratio))),
        number(each.reward, 3),
        sparkline(series(`reward/${du}`), { label: `Reward of ${du}`, format: (value) => number(value, 3) }),
        actor ? (actor.under_sam ? h("span", { class: "state sam" }, `SAM  ρ ${number(actor.rho, 3)}`) : badge("plain")) : h("small", {}, critic.connected ? "no actor" : "critic not connected"),
        actor ? number(actor.td_variance, 3) : "–",
        age(each.policy_age_s),
        lost ? h("span", { class: "weak" }, number(lost)) : "0",
      ],
      ["", "share-cell", NUM, NUM, NUM, NUM, "spark-cell", "", NUM, NUM, NUM],
    );
  });
  const columns = [["O-DU"], ["Resource blocks a frame"], ["eMBB ok", NUM], ["mMTC ok", NUM], ["URLLC ok", NUM], ["Reward", NUM], ["five minutes"], ["Actor"], ["TD variance", NUM], ["Policy age", NUM], ["Safe split", NUM]];
  return panel(
    "By O-DU",
    { note: `of ${radio.n_rbs} blocks; full colour: carried data, pale: set aside` },
    h("div", { class: "legend flat" }, radio.slices.map((slice) => h("span", { class: "legend-item" }, swatch(SLICES[slice]?.[1]), SLICES[slice]?.[0] ?? slice))),
    table("O-DUs", columns, rows, "No O-DU is on the air."),
  );
}

function learning(critic) {
  const pushes = Object.entries(critic.pushes).filter(([, value]) => value > 0);
  return h(
    "div",
    { class: "tiles" },
    tile("Actors joined", number(critic.actors_attached)),
    tile("Trial reward", number(critic.trial_reward, 3), { note: "latest actors, before a push" }),
    tile("Sharpness", number(critic.sharpness_ratio, 3), { note: "perturbed over present loss" }),
    tile("Pushes", number(pushes.reduce((sum, [, value]) => sum + value, 0)), { note: pushes.map(([fate, value]) => `${number(value)} ${fate}`).join(", ") || "none yet" }),
    tile("Diverged updates", number(critic.divergences), { note: "undone", tone: critic.divergences ? "warn" : "" }),
  );
}
