// A/B tests: start one, stop one.

import { act, path } from "../acts.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { section, until } from "../state.js";
import { labelled } from "./schema-form.js";
import { choice, managed, offer, servingVersion, standBy, versionsBut } from "./xapp-acts.js";

/** By the names that buttons carry; each takes the button's data. */
export const abActs = { startTest, stopTest };

/** Names of the xApps of which the manager knows more than one version. */
export function comparable() {
  return (section("desired_xapps").xapps ?? []).filter((each) => each.versions.length > 1).map((each) => each.name);
}

function startTest() {
  const xapp = choice(comparable());
  const [baseline, candidate] = [h("select"), h("select")];
  const percent = h("input", { type: "number", min: 0.1, max: 90, step: "any", required: true, value: 5 });
  const least = h("input", { type: "number", min: 0, step: 1, required: true, value: 1000 });
  const fill = () => {
    const wanted = managed(xapp.value);
    const serving = servingVersion(wanted);
    offer(baseline, versionsBut(wanted, ""), serving);
    offer(candidate, versionsBut(wanted, serving));
  };
  xapp.addEventListener("change", fill);
  fill();
  ask({
    title: "Start an A/B test",
    lead: "Flows are split by their hash; the test ends by itself as soon as the evidence suffices: the better version serves, or a guard brings the baseline back. A candidate that is not there yet is started on standby first.",
    content: [
      labelled("xApp", { path: "ab-xapp", required: true }, xapp),
      h("div", { class: "fields" },
        labelled("Baseline", { path: "ab-baseline", required: true }, baseline),
        labelled("Candidate", { path: "ab-candidate", required: true }, candidate),
        labelled("Candidate's share", { path: "ab-percent", required: true }, percent, "percent, 0.1 to 90"),
        labelled("Requests before any verdict", { path: "ab-least", required: true }, least)),
    ],
    submit: "Start",
    perform: async (tell, signal) => {
      const test = { xapp: xapp.value, baseline: baseline.value, candidate: candidate.value, candidate_percent: Number(percent.value), min_requests: Number(least.value) };
      if (test.baseline !== test.candidate && !isAttached(test.xapp, test.candidate)) await standBy(test.xapp, test.candidate, tell, signal);
      const { document } = await act("POST", "ab", test);
      await until(() => section("ab").tests?.some((each) => each.id === document.id), signal);
      return `Test ${document.id} runs: ${document.candidate} takes ${document.candidate_percent} % of ${document.xapp}.`;
    },
  });
}

function isAttached(name, version) {
  return managed(name)?.versions.some((each) => each.version === version && each.instances.some((one) => one.state === "ready"));
}

function stopTest({ test, xapp, baseline }) {
  ask({
    title: `Stop the test of ${xapp}?`,
    lead: `It ends without a verdict, and ${baseline} takes all requests again. Its evidence stays.`,
    submit: "Stop the test",
    danger: true,
    perform: async (tell, signal) => {
      const { document } = await act("POST", path("ab", test, "stop"));
      await until(() => section("ab").tests?.every((each) => each.id !== test || each.state !== "running"), signal);
      return `Test ${document.id}: ${document.state.replaceAll("_", " ")}${document.reason ? `, ${document.reason}` : ""}.`;
    },
  });
}
