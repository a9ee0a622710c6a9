"""What the paper says about its method, held against our runs: every sentence here is computed, none is written beforehand."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ric_sim.envs.statistics import Interval, paired_difference
from ric_sim.radio.policies import SLICING_POLICIES
from services.cli.report.routing_results import Metric, Row, difference
from services.cli.report.routing_tables import markdown_table, shown
from services.cli.report.slicing_results import LEARNED_REWARD, SlicingRun, label_of, pooled, ratio, reward

TRAINED_ON = "nominal"
RULE = "need-tuned"
METHOD, PLAIN, CENTRAL = "ta-sam", "sac", "single-agent"

ORDERINGS: tuple[tuple[str, str, str], ...] = (
    ("TA-SAM above SAC without SAM (Table 2)", "ta-sam", "sac"),
    ("TA-SAM above SAC with L2 (VII)", "ta-sam", "l2"),
    ("selecting actors above SAM for all (Table 2)", "ta-sam", "both-sam"),
    ("falling radius above a static one (Table 2)", "ta-sam", "static-rho"),
    ("TA-SAM above PLASTIC (Table 3)", "ta-sam", "plastic"),
    ("TA-SAM above dropout (Table 3)", "ta-sam", "dropout"),
    ("TA-SAM above spectral normalisation (Table 3)", "ta-sam", "spectral-norm"),
    ("SAM in the critic above SAM in the actors (Fig. 7)", "critic-sam", "actor-sam"),
    ("SAM in both above SAM in the critic (Fig. 7)", "both-sam", "critic-sam"),
    ("SAM in both above none (Fig. 7)", "both-sam", "sac"),
    ("SAM in the actors above none (Fig. 7)", "actor-sam", "sac"),
    ("L2 above plain SAC (Table 3)", "l2", "sac"),
    ("several agents above a central one (Table 2)", "sac", "single-agent"),
    ("TA-SAM above a central agent (Table 2)", "ta-sam", "single-agent"),
)
"""What is said, what is meant to be better, than what."""

HOLDS, REVERSED, OPEN = "holds", "the other way round", "not shown"

RowsByProfile = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Finding:
    """An ordering and the paired differences of reward: where trained, and on all other profiles together (None: not played)."""

    said: str
    better: str
    worse: str
    nominal: Interval | None
    shifted: Interval | None


def verdict(gap: Interval | None) -> str:
    """What a difference that should be above 0 shows."""
    if gap is None:
        return "not trained"
    if gap.half_width is None:
        return "one repetition"
    if not gap.excludes_zero:
        return OPEN
    return HOLDS if gap.mean > 0 else REVERSED


def findings(rows: RowsByProfile) -> list[Finding]:
    """The orderings of which both sides were trained."""
    found = []
    for said, better, worse in ORDERINGS:
        nominal = _gap(rows, [TRAINED_ON], better, worse, reward)
        shifted = _gap(rows, shifted_profiles(rows), better, worse, reward)
        if nominal or shifted:
            found.append(Finding(said, better, worse, nominal, shifted))
    return found


def shifted_profiles(rows: RowsByProfile) -> list[str]:
    """All profiles but the one trained on."""
    return [profile for profile in rows if profile != TRAINED_ON]


def row_of(rows: RowsByProfile, profiles: Sequence[str], label: str) -> Row | None:
    """A policy's episodes in all of these profiles; None if it was not played in one of them."""
    found = [row for profile in profiles for row in rows.get(profile, ()) if row.label == label]
    return pooled(found, "+".join(profiles)) if found and len(found) == len(profiles) else None


def _gap(rows: RowsByProfile, profiles: Sequence[str], better: str, worse: str, metric: Metric) -> Interval | None:
    ours, theirs = row_of(rows, profiles, better), row_of(rows, profiles, worse)
    return difference(ours, theirs, metric) if ours and theirs else None


def findings_table(found: Sequence[Finding]) -> str:
    """One row per ordering with both differences and what they show."""

    def cells(gap: Interval | None) -> tuple[str, str]:
        return shown(gap, 4, signed=True), verdict(gap)

    told = [(each.said, f"{each.better} - {each.worse}", *cells(each.nominal), *cells(each.shifted)) for each in found]
    return markdown_table(("the paper", "difference of reward", TRAINED_ON, "", "shifted profiles", ""), told)


def counted(found: Sequence[Finding]) -> str:
    """How many orderings hold, by name where they do not."""
    lines = []
    for where, gaps in (
        (f"On `{TRAINED_ON}`", [(each, verdict(each.nominal)) for each in found if each.nominal]),
        ("On the shifted profiles", [(each, verdict(each.shifted)) for each in found if each.shifted]),
    ):
        if not gaps:
            continue
        text = f"{where} {sum(word == HOLDS for _, word in gaps)} of {len(gaps)} orderings of the paper hold"
        for word, name in ((REVERSED, "the other way round"), (OPEN, "not shown")):
            named = [f"{each.better} > {each.worse}" for each, found_word in gaps if found_word == word]
            text += f"; {name}: {', '.join(named)}" if named else ""
        lines.append(f"{text}.")
    if not lines:
        return ""
    n_tested = sum(gap is not None for each in found for gap in (each.nominal, each.shifted))
    lines.append(
        f"Intervals are not widened for the {n_tested} differences tested; about {n_tested / 20:.1f} would exclude 0 by chance."
    )
    return "\n".join(f"- {line}" for line in lines)


def against_rules(rows: RowsByProfile, runs: Sequence[SlicingRun]) -> str:
    """Whether the best learned policy beats, on each profile, the rule that is best there; over training seeds and episodes."""
    best = best_learned(runs)
    told, above = [], []
    for profile in rows if best else ():
        ours, rule = row_of(rows, [profile], best or ""), strongest_rule(rows[profile])
        if ours is None or rule is None:
            continue
        gaps = (difference(ours, rule, reward), over_episodes(ours, rule))
        told.append(f"{profile}, `{rule.label}`: {' / '.join(shown(gap, 3, signed=True) for gap in gaps)}")
        if all(verdict(gap) == HOLDS for gap in gaps):
            above.append(profile)
    if not told:
        return ""
    text = (
        f"The learned policy with the highest validation reward is `{best}`. It is above the strongest rule on {len(above)} of "
    )
    text += f"{len(told)} profiles (difference of reward, interval over training seeds / over episodes: {'; '.join(told)})"
    missed = [profile for profile in rows if profile not in above]
    text += f"; not shown to be above it on {', '.join(missed)}" if missed else ""
    return f"- {text}."


def strongest_rule(rows: Sequence[Row]) -> Row | None:
    """The policy without training with the highest reward among these that an O-DU could play."""
    rules = [row for row in rows if not row.learned and SLICING_POLICIES[row.label].deployable]
    return max(rules, key=lambda row: sum(row.units(reward).values()) / len(row.units(reward)), default=None)


def over_episodes(ours: Row, theirs: Row) -> Interval | None:
    """Difference of reward, a trained policy's averaged over its training seeds, with its interval over episodes."""

    def by_episode(row: Row) -> dict[Hashable, float]:
        values: dict[Hashable, list[float]] = {}
        for (_, episode), told in row.evaluations.items():
            values.setdefault(episode, []).append(float(told["reward"]))
        return {episode: sum(each) / len(each) for episode, each in values.items()}

    a, b = by_episode(ours), by_episode(theirs)
    return paired_difference(a, b) if set(a) & set(b) else None


def best_learned(runs: Sequence[SlicingRun]) -> str | None:
    """The method with the highest mean reward on the validation seed, which is none of the episodes shown."""
    values: dict[str, list[float]] = {}
    for run in runs:
        values.setdefault(label_of(run, runs), []).append(run.validation_reward)
    means = {label: sum(each) / len(each) for label, each in values.items()}
    return max(means, key=means.__getitem__) if means else None


def spread(rows: RowsByProfile) -> str:
    """Which learned policy varies least between seeds; the paper says SAM in both (Fig. 7)."""
    deviations = {}
    for row in rows.get(TRAINED_ON, ()):
        units = list(row.units(reward).values()) if row.learned else []
        if len(units) > 2:
            deviations[row.label] = (statistics.stdev(units), len(units))
    if len(deviations) < 2:
        return ""
    ranked = sorted(deviations.items(), key=lambda item: item[1])
    told = ", ".join(f"{label} {value:.4f} (n = {n})" for label, (value, n) in ranked)
    return f"- Standard deviation of reward between training seeds on `{TRAINED_ON}`, least first (the paper: both-sam): {told}."


def flatness(rows: RowsByProfile, runs: Sequence[SlicingRun]) -> str:
    """Curvature of the method's critic over plain SAC's, and whether flatter critics lose less where they were not trained."""
    by_label = {label: [run for run in runs if label_of(run, runs) == label] for label in (METHOD, PLAIN)}
    told = ratio(by_label[METHOD], by_label[PLAIN], lambda run: run.critic_curvature) if all(by_label.values()) else None
    lines = []
    if told:
        mean, low, high = told
        lines.append(f"- The critic of `{METHOD}` has {mean:.2f} [{low:.2f}, {high:.2f}] times the curvature of `{PLAIN}`'s.")
    shifted, curvatures, losses = shifted_profiles(rows), [], []
    for run in runs if by_label[PLAIN] else ():
        label = label_of(run, runs)
        at_home, away = row_of(rows, [TRAINED_ON], label), row_of(rows, shifted, label)
        if run.scale == by_label[PLAIN][0].scale and at_home and away:
            curvatures.append(run.critic_curvature)
            losses.append(at_home.units(reward)[run.seed] - away.units(reward)[run.seed])
    if len(losses) > 3:
        lines.append(
            f"- Rank correlation between a critic's curvature and the reward lost from `{TRAINED_ON}` to the shifted profiles, "
            f"over {len(losses)} runs of equal networks: {_rank_correlation(curvatures, losses):+.2f} (the paper: above "
            "0, as flatter critics lose less)."
        )
    return "\n".join(lines)


def _rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's, of values without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def noise_lines(noisy: Mapping[float, Sequence[Row]]) -> str:
    """What noise in the reports costs each method against plain SAC of the same decoding."""
    lines = []
    for level, rows in ((level, rows) for level, rows in noisy.items() if level):
        by_label = {row.label: row for row in rows}
        told, compared = [], 0
        for label, row in by_label.items():
            plain = by_label.get(_plain_of(label))
            gap = difference(row, plain, reward) if plain and plain is not row else None
            compared += gap is not None and gap.n > 1
            if gap and gap.excludes_zero:
                told.append(f"{label} {shown(gap, 3, signed=True)}")
        said = f"{len(told)} of {compared} methods differ from plain SAC of the same decoding"
        lines.append(f"- With {100 * level:g} % noise in the reports {said}{': ' if told else ''}{', '.join(told)}.")
    return "\n".join(lines)


def _plain_of(label: str) -> str:
    """The label of plain SAC with clean training reports and the same decoding and configuration."""
    return ", ".join([PLAIN, *(part for part in label.split(", ")[1:] if not part.startswith("noise"))])


def learning_speed(runs: Sequence[SlicingRun]) -> str:
    """Difference of the steps to learn between the method and plain SAC; the paper says it needs fewer."""
    steps: dict[str, dict[Hashable, float]] = {
        label: {run.seed: float(run.learned_at) for run in runs if label_of(run, runs) == label and run.learned_at is not None}
        for label in (METHOD, PLAIN)
    }
    if not set(steps[METHOD]) & set(steps[PLAIN]):
        return ""
    gap = paired_difference(steps[METHOD], steps[PLAIN])
    told = shown(gap, 0, signed=True)
    return f"- Steps until the training reward is {LEARNED_REWARD}, `{METHOD}` less `{PLAIN}`: {told} (the paper: fewer)."
