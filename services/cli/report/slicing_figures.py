"""The figures of the report on slicing: the paper's Figures 5 to 11 from our runs, and reward under noisy reports."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ric_sim.envs.statistics import Interval, mean_interval
from ric_sim.radio.config import SLICES, RadioConfig
from services.cli.report.axes import dress
from services.cli.report.routing_figures import save
from services.cli.report.routing_results import Row
from services.cli.report.slicing_play import QUANTILES
from services.cli.report.slicing_results import SlicingRun, reward

__all__ = ["curvature", "learning", "noise", "qos_distribution", "radii", "rewards", "save", "scale", "ue_rates"]

Draw = Callable[[Any], None]
Curves = Mapping[str, Sequence[SlicingRun]]

_COLOUR_OF = {
    "ta-sam": "#D55E00",
    "sac": "#0072B2",
    "l2": "#56B4E9",
    "actor-sam": "#E69F00",
    "critic-sam": "#009E73",
    "both-sam": "#CC79A7",
    "need-tuned": "#111111",
    "equal-rr": "#A0A0A0",
    "single-agent": "#8C6D1F",
    "static-rho": "#7B3FA0",
    "plastic": "#3F8F8F",
    "dropout": "#B5651D",
    "spectral-norm": "#666666",
}
_SPARE_COLOURS = ("#2E8B57", "#9A6FB0", "#C8553D", "#2F4B7C")
"""Okabe and Ito's palette, and some more: a policy keeps its colour in all figures."""


def _palette(labels: Sequence[str]) -> dict[str, str]:
    spare = itertools.cycle(_SPARE_COLOURS)
    return {label: _COLOUR_OF.get(label) or next(spare) for label in dict.fromkeys(labels)}


def learning(panels: Mapping[str, Curves]) -> Draw:
    """Figure 5: training reward over steps, a panel per choice of radii; mean over seeds, band from lowest to highest."""

    def draw(figure: Any) -> None:
        axes_of = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, curves) in zip(axes_of, panels.items(), strict=True):
            colours = _palette(list(curves))
            for label, runs in curves.items():
                steps = [step for step, _ in runs[0].learning]
                whole = [run for run in runs if [step for step, _ in run.learning] == steps]
                values = np.array([[value for _, value in run.learning] for run in whole])
                axes.plot(steps, values.mean(axis=0), color=colours[label], linewidth=1.7, label=f"{label}, seeds: {len(whole)}")
                axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colours[label], alpha=0.15, linewidth=0)
            dress(axes, title, "steps of all O-DUs in all worlds", "training reward" if axes is axes_of[0] else "")
            axes.legend(frameon=False, fontsize=8.5, loc="lower right")

    return draw


def radii(by_variant: Mapping[str, Mapping[float, float]], plain: float | None) -> Draw:
    """Figure 6: highest training reward at static radii, a line per place of SAM; `plain` without SAM, dashed."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        colours = _palette(list(by_variant))
        for label, values in by_variant.items():
            axes.plot(list(values), list(values.values()), "o-", color=colours[label], label=label)
        if plain is not None:
            axes.axhline(plain, color=_COLOUR_OF["sac"], linestyle="--", label="sac")
        axes.set_xscale("log")
        tried = sorted({radius for values in by_variant.values() for radius in values})
        axes.set_xticks(tried, [f"{radius:g}" for radius in tried])
        axes.set_xticks([], minor=True)
        dress(axes, "Highest training reward by radius", "static radius of actors and critic", "reward, best episode")
        axes.legend(frameon=False)

    return draw


def rewards(rows: Sequence[Row], references: Mapping[str, float]) -> Draw:
    """Figure 7: a point per training seed, the mean with its 95 % interval; rules as lines."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        told = sorted((row for row in rows if row.interval(reward)), key=_mean_of)
        colours = _palette([row.label for row in told])
        for place, row in enumerate(told):
            values = list(row.units(reward).values())
            axes.plot(values, [place] * len(values), "o", color=colours[row.label], alpha=0.45, markersize=5)
            _point(axes, row.interval(reward), place + 0.22, colours[row.label])
        for name, value in references.items():
            axes.axvline(value, color="#333333", linewidth=1.3, linestyle="--")
            axes.annotate(name, (value, len(told) - 0.4), (3, 0), textcoords="offset points", fontsize=8.5)
        axes.set_yticks(range(len(told)), [row.label for row in told])
        axes.set_ylim(-0.6, len(told))
        dress(axes, "Reward on episodes nobody trained on", "reward per O-DU and decision", "")

    return draw


def _mean_of(row: Row) -> float:
    interval = row.interval(reward)
    return interval.mean if interval else 0.0


def scale(by_label: Mapping[str, Mapping[int, Interval]]) -> Draw:
    """Figure 8: reward over the number of O-DUs."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        colours = _palette(list(by_label))
        for label, values in by_label.items():
            counts = sorted(values)
            halves = [values[count].half_width or 0.0 for count in counts]
            means = [values[count].mean for count in counts]
            axes.errorbar(counts, means, yerr=halves, fmt="o-", color=colours[label], capsize=3, label=label)
        dress(axes, "Reward by number of O-DUs", "O-DUs, cells of 500 m, 200 UEs in all", "reward per O-DU and decision")
        axes.legend(frameon=False)

    return draw


def curvature(curves: Curves) -> Draw:
    """Figure 9: largest Hessian eigenvalue of the critics' and of the actors' loss, a point per seed, mean and interval."""

    def draw(figure: Any) -> None:
        colours = _palette(list(curves))
        panels = (("Critics", lambda run: run.critic_curvature), ("Actors, mean of six", lambda run: run.actor_curvature))
        axes_of = figure.subplots(1, len(panels), sharey=True)
        for axes, (title, value) in zip(axes_of, panels, strict=True):
            for place, (label, runs) in enumerate(curves.items()):
                values = [value(run) for run in runs]
                axes.plot(values, [place] * len(values), "o", color=colours[label], alpha=0.45, markersize=5)
                _point(axes, mean_interval(values), place + 0.22, colours[label])
            axes.set_yticks(range(len(curves)), list(curves))
            dress(axes, title, "lambda_max of the Hessian", "")
            axes.set_xscale("log")

    return draw


def qos_distribution(quantiles: Mapping[str, Sequence[Mapping[str, Any]]]) -> Draw:
    """Figure 10: CDF of each slice's QoS over cells and frames; the minimum as a line."""
    minima = dict(zip(SLICES, RadioConfig().min_qos, strict=True))
    titles = {"embb": "eMBB: mean rate, Mbps", "mmtc": "mMTC: weighted capacity, Mbps", "urllc": "URLLC: latency, ms"}
    return _distributions(quantiles, "qos", titles, minima)


def ue_rates(quantiles: Mapping[str, Sequence[Mapping[str, Any]]]) -> Draw:
    """Figure 11: CDF of the rates of active UEs."""
    titles = {"embb": "eMBB UEs, Mbps", "mmtc": "mMTC UEs, Mbps", "urllc": "URLLC UEs, Mbps"}
    return _distributions(quantiles, "ue_mbps", titles, {})


def _distributions(
    quantiles: Mapping[str, Sequence[Mapping[str, Any]]], key: str, titles: Mapping[str, str], minima: Mapping[str, float]
) -> Draw:
    """A panel per slice, a line per policy: quantiles averaged over its evaluations."""

    def draw(figure: Any) -> None:
        axes_of = figure.subplots(1, len(SLICES), sharey=True)
        colours = _palette(list(quantiles))
        for axes, name in zip(axes_of, SLICES, strict=True):
            highest = 0.0
            for label, evaluations in quantiles.items():
                told = [each[key][name] for each in evaluations if each[key][name]]
                if told:
                    values = np.mean(told, axis=0)
                    axes.plot(values, QUANTILES, color=colours[label], linewidth=1.5, label=label)
                    highest = max(highest, float(values[-3]))
            if name in minima:
                axes.axvline(minima[name], color="#B00020", linewidth=1.3, linestyle="--")
            axes.set_xlim(0, highest or 1)
            dress(axes, titles[name], "", "part of frames at or below" if axes is axes_of[0] else "")
        axes_of[-1].legend(frameon=False, fontsize=8.5, loc="lower right")

    return draw


def noise(noisy: Mapping[float, Sequence[Row]], left_out: str) -> Draw:
    """Reward over the noise in the reports, a panel per decoding; labels with `left_out` would squeeze the others."""

    def draw(figure: Any) -> None:
        labels = list(dict.fromkeys(row.label for rows in noisy.values() for row in rows if left_out not in row.label))
        groups = [[label for label in labels if ("share5" in label) is direct] for direct in (False, True)]
        titles = ("Action scales the needed RBs", "Action is the shares (share5)")
        shown = [(title, group) for title, group in zip(titles, groups, strict=True) if group]
        axes_of = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, (title, group) in zip(axes_of, shown, strict=True):
            plain = {label: label.replace(", share5", "") for label in group}
            colours = _palette(list(plain.values()))
            for label in group:
                told = [(level, interval) for level, rows in noisy.items() if (interval := _of(rows, label))]
                levels, means = [100 * level for level, _ in told], [interval.mean for _, interval in told]
                halves = [interval.half_width or 0.0 for _, interval in told]
                axes.errorbar(levels, means, yerr=halves, fmt="o-", capsize=3, color=colours[plain[label]], label=label)
            dress(axes, title, "noise in the reports, %", "reward" if axes is axes_of[0] else "")
            axes.legend(frameon=False, fontsize=8.5)

    return draw


def _of(rows: Sequence[Row], label: str) -> Interval | None:
    row = next((row for row in rows if row.label == label), None)
    return row.interval(reward) if row else None


def _point(axes: Any, interval: Interval | None, place: float, colour: str) -> None:
    if interval:
        axes.errorbar(interval.mean, place, xerr=interval.half_width, fmt="D", color=colour, capsize=4, markersize=6)
