"""The tables of the report on slicing (Markdown)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ric_sim.envs.statistics import mean_interval
from ric_sim.radio.config import SLICES, RadioConfig
from services.cli.report.routing_results import Row, difference
from services.cli.report.routing_tables import markdown_table, shown
from services.cli.report.slicing_claims import CENTRAL, METHOD, PLAIN, RULE
from services.cli.report.slicing_results import SlicingRun, all3, gains, label_of, qos, ratio, reward, satisfied

_UNITS = {"embb": "Mbps", "mmtc": "Mbps", "urllc": "ms"}
_NAMES = {"embb": "eMBB", "mmtc": "mMTC", "urllc": "URLLC"}

PaperGains = tuple[float, float, float]

_TABLE_2: tuple[tuple[str, str, PaperGains], ...] = (
    ("full model", METHOD, (23.67, 11.19, 42.1)),
    ("without selection", "both-sam", (21.32, 9.81, 38.6)),
    ("static radius", "static-rho", (18.4, 7.7, 32.06)),
    ("without SAM", PLAIN, (13.9, 5.87, 25.1)),
)
_TABLE_3: tuple[tuple[str, str, str, PaperGains | None], ...] = (
    ("PLASTIC (adapted)", "plastic", CENTRAL, (15.1, 5.9, 18.5)),
    ("SAC + L2", "l2", PLAIN, (1.81, 0.73, 4.8)),
    ("SAC + dropout", "dropout", PLAIN, (0.67, 0.4, 2.1)),
    ("SAC + spectral normalisation", "spectral-norm", PLAIN, (3.1, 1.13, 7.3)),
    ("TA-SAM", METHOD, PLAIN, None),
)
"""Row, variant, reference of the gain, the paper's gains in percent: eMBB, mMTC, URLLC."""


def parameter_table() -> str:
    """Paper Table 1 beside our network."""
    config = RadioConfig()
    rows = (
        ("O-DUs", "6", config.n_dus),
        ("RBs per O-DU", "100", config.n_rbs),
        ("UEs", "200", config.n_ues),
        ("RB bandwidth", "200 kHz", "200 kHz"),
        ("total bandwidth", "20 MHz", f"{config.n_rbs * 0.2:g} MHz"),
        ("transmit power", "56 dBm", f"56 dBm per radio unit, {config.rb_power_w:.2f} W per RB"),
        ("noise", "-173 dBm", "-173 dBm/Hz"),
        ("fading", "Rayleigh", "Rayleigh, blocks of 4 RBs"),
        ("speed", "10-20 m/s", "10-20 m/s (25-35 m/s in `fast_hot`)"),
        ("QoS minima", "10 Mbps, 50 Mbps, 2 ms", ", ".join(f"{value:.4g}" for value in config.min_qos) + " (Mbps, Mbps, ms)"),
    )
    return markdown_table(("parameter", "the paper", "here"), rows)


def policy_table(rows: Sequence[Row]) -> str:
    """One profile: reward, satisfied frames and mean QoS of every policy, best last."""
    ranked = sorted(rows, key=lambda row: interval.mean if (interval := row.interval(reward)) else -math.inf)
    cells = [
        (
            row.label,
            len(row.units(reward)),
            shown(row.interval(reward), 3),
            shown(row.interval(all3), 1),
            *(shown(row.interval(satisfied(name)), 1) for name in SLICES),
            *(shown(row.interval(qos(name)), 2) for name in SLICES),
        )
        for row in ranked
    ]
    met = (f"{_NAMES[name]} met %" for name in SLICES)
    columns = ("policy", "n", "reward", "all three met %", *met, *(f"{_NAMES[name]} {_UNITS[name]}" for name in SLICES))
    return markdown_table(columns, cells)


def profile_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Reward of every policy in every profile."""
    labels = list(dict.fromkeys(row.label for of_profile in rows.values() for row in of_profile))
    cells = []
    for label in labels:
        mine = [next((row for row in of_profile if row.label == label), None) for of_profile in rows.values()]
        cells.append((label, *(shown(row.interval(reward), 3) if row else "-" for row in mine)))
    return markdown_table(("policy", *rows), cells)


def difference_table(rows: Mapping[str, Sequence[Row]], reference: str) -> str:
    """Reward of every learned policy less a reference's, paired, in every profile; bold where the interval excludes 0."""
    labels = list(dict.fromkeys(row.label for of_profile in rows.values() for row in of_profile if row.learned))
    cells = []
    for label in (each for each in labels if each != reference):
        told = [label]
        for of_profile in rows.values():
            by_label = {row.label: row for row in of_profile}
            both = label in by_label and reference in by_label
            gap = difference(by_label[label], by_label[reference], reward) if both else None
            text = shown(gap, 3, signed=True)
            told.append(f"**{text}**" if gap and gap.excludes_zero else text)
        cells.append(tuple(told))
    return markdown_table((f"less `{reference}`", *rows), cells)


def ablation_table(rows: Sequence[Row]) -> str:
    """Paper Table 2: gains of mean QoS over a central agent, the paper's in brackets; then what the gains leave out."""
    by_label = {row.label: row for row in rows}
    cells = [
        (f"{title} (`{variant}`)", *_gain_cells(by_label, variant, CENTRAL, paper), *_quality(by_label[variant]))
        for title, variant, paper in _TABLE_2
        if variant in by_label
    ]
    if CENTRAL in by_label:
        cells.append((f"reference (`{CENTRAL}`)", "0", "0", "0", *_quality(by_label[CENTRAL])))
    return markdown_table(("variant", *_gain_columns(), "all three met %", "reward"), cells) if cells else ""


def baseline_table(rows: Sequence[Row]) -> str:
    """Paper Table 3: gains of the other regularisations, each over the reference the paper's number seems to have."""
    by_label = {row.label: row for row in rows}
    cells = [
        (f"{title} (`{variant}`)", f"`{over}`", *_gain_cells(by_label, variant, over, paper), *_quality(by_label[variant]))
        for title, variant, over, paper in _TABLE_3
        if variant in by_label
    ]
    return markdown_table(("variant", "over", *_gain_columns(), "all three met %", "reward"), cells) if cells else ""


def _gain_columns() -> tuple[str, ...]:
    return tuple(f"{_NAMES[name]} gain % (paper)" for name in SLICES)


def _gain_cells(by_label: Mapping[str, Row], variant: str, over: str, paper: PaperGains | None) -> list[str]:
    cells = []
    for index, name in enumerate(SLICES):
        gain = gains(by_label[variant], by_label[over], name) if over in by_label else None
        cells.append(f"{shown(gain, 1, signed=True)} ({paper[index]:g})" if paper else shown(gain, 1, signed=True))
    return cells


def _quality(row: Row) -> tuple[str, str]:
    return shown(row.interval(all3), 1), shown(row.interval(reward), 3)


def training_table(runs: Sequence[SlicingRun]) -> str:
    """Of every method: steps trained, curvature, steps to learn, with ratios to plain SAC of the same seeds (geometric means)."""
    cells = []
    plain = [run for run in runs if label_of(run, runs) == PLAIN]
    for label in dict.fromkeys(label_of(run, runs) for run in runs):
        mine = [run for run in runs if label_of(run, runs) == label]
        learned = [float(run.learned_at) for run in mine if run.learned_at is not None]
        cells.append(
            (
                label,
                len(mine),
                f"{max(run.steps for run in mine):,}",
                shown(mean_interval([run.critic_curvature for run in mine]), 1),
                _ratio(mine, plain, lambda run: run.critic_curvature),
                shown(mean_interval([run.actor_curvature for run in mine]), 2),
                _ratio(mine, plain, lambda run: run.actor_curvature),
                f"{shown(mean_interval(learned), 0)} ({len(learned)}/{len(mine)})" if learned else f"never (0/{len(mine)})",
            )
        )
    columns = (
        "method",
        "runs",
        "steps",
        "critic lambda_max",
        "ratio to SAC",
        "actor lambda_max",
        "ratio to SAC",
        "steps to reward 1.9 (runs)",
    )
    return markdown_table(columns, cells)


def _ratio(ours: Sequence[SlicingRun], theirs: Sequence[SlicingRun], value: Callable[[SlicingRun], float]) -> str:
    told = ratio(ours, theirs, value) if theirs else None
    if told is None:
        return "-"
    mean, low, high = told
    return f"{mean:.2f}" if math.isnan(low) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def cost_table(figures: Sequence[Mapping[str, Any]]) -> str:
    """Processor time of learning updates, as `ricity bench train-slicing --json` tells it."""
    rows = [
        (
            each["name"],
            f"{each['value']:.2f} {each['unit']}",
            each["reference"],
            f"{each['reference_value']:.2f}",
            f"{each['ratio']:.2f}",
        )
        for each in figures
    ]
    return markdown_table(("update", "takes", "beside", "takes", "ratio"), rows)


def noise_table(noisy: Mapping[float, Sequence[Row]]) -> str:
    """Reward of every learned policy at every level of noise in its reports."""
    labels = list(dict.fromkeys(row.label for rows in noisy.values() for row in rows))
    cells = []
    for label in labels:
        mine = [next((row for row in rows if row.label == label), None) for rows in noisy.values()]
        cells.append((label, *(shown(row.interval(reward), 3) if row else "-" for row in mine)))
    return markdown_table(("policy", *(f"noise {100 * level:g} %" for level in noisy)), cells)


def bound_table(rows: Mapping[str, Sequence[Row]], bounds: Mapping[str, Mapping[str, Any]], oracle: str) -> str:
    """How far the rules are from the oracle on its episodes, and from a bound on single frames."""
    cells = []
    for profile, of_profile in rows.items():
        by_label = {row.label: row for row in of_profile}
        if oracle not in by_label:
            continue
        gaps = [
            (label, gap)
            for label, row in by_label.items()
            if label != oracle and (gap := difference(row, by_label[oracle], reward)) is not None
        ]
        best = sorted(gaps, key=lambda item: -item[1].mean)
        cells += [(profile, label, gap.n, shown(gap, 3, signed=True)) for label, gap in best]
    text = markdown_table(("profile", "policy", "pairs", f"reward less the {oracle}'s"), cells) if cells else ""
    for profile, told in bounds.items():
        text += (
            f"\nOn `{profile}`, {told['frames']} decisions of single O-DUs on the way of `{RULE}`: it got {told['reward']:.3f}; "
            f"a linear program that knows the frame's fading and what the others send gives at most {told['bound']:.3f}.\n"
        )
    return text
