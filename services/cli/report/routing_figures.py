"""The figures of the report on routing: those of the paper from our runs, and Grade of Service over disturbed days."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ric_sim.domain.service import ServiceSpec
from ric_sim.envs.statistics import Interval
from services.cli.report.axes import dress
from services.cli.report.routing_results import Row, gos, of_service, percentile_ms, refused_percent

_COLOUR_OF = {
    "amarl": "#D55E00",
    "sarl": "#0072B2",
    "specialised": "#009E73",
    "cspf": "#CC79A7",
    "widest-shortest": "#E69F00",
    "priced": "#56B4E9",
}
_SPARE_COLOURS = ("#8C6D1F", "#666666", "#7B3FA0", "#3F8F8F")
"""Okabe and Ito's palette, and some more: a policy keeps its colour in all figures."""


def palette(labels: Sequence[str]) -> dict[str, str]:
    """A colour per policy label, the same one in every figure for the policies of `_COLOUR_OF`."""
    spare = itertools.cycle(_SPARE_COLOURS)
    return {label: _COLOUR_OF.get(label) or next(spare) for label in dict.fromkeys(labels)}


_CAUSES = {
    "no room left on any way (dead end, capacity)": (("no_route_capacity",), "#2F4B7C"),
    "too late on every way with room (dead end, latency)": (("no_route_latency",), "#F2B134"),
    "commit aborted": (("link_capacity", "compute_capacity", "latency_budget"), "#C8553D"),
}

_SHOWN_FROM_PERCENT = 90.0
"""Policies below it would squeeze the others into one corner; a line under the panel tells theirs."""

HOUR_MS = 3_600_000
_SMOOTH_BINS = 4


def save(path: Path, draw: Callable[[Any], None], size: tuple[float, float] = (10, 5)) -> Path:
    """Draws on a fresh figure and writes it; same content, same bytes."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "ricity", "font.size": 10}):
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def grade_of_service(rows: Mapping[str, Sequence[Row]], bounds: Mapping[str, float]) -> Callable[[Any], None]:
    """Figure 6: one panel per profile, a point per policy with its 95 % interval, the bound as a line. `bounds` in percent."""

    def draw(figure: Any) -> None:
        panels = figure.subplots(1, len(rows), squeeze=False)[0]
        for axes, (profile, of_profile) in zip(panels, rows.items(), strict=True):
            told = {row.label: interval for row in of_profile if (interval := row.interval(gos))}
            ranked = sorted(told.items(), key=lambda item: item[1].mean)
            high = [(label, interval) for label, interval in ranked if interval.mean >= _SHOWN_FROM_PERCENT]
            learned = {row.label for row in of_profile if row.learned}
            for place, (label, interval) in enumerate(high):
                colour = _COLOUR_OF["amarl"] if label in learned else "#444444"
                axes.errorbar(interval.mean, place, xerr=interval.half_width, fmt="o", color=colour, capsize=4, markersize=7)
                axes.annotate(f"{interval.mean:.2f}", (interval.mean, place), (0, 8), **_CENTRED)
            if profile in bounds:
                axes.axvline(bounds[profile], color="#333333", linewidth=1.4, linestyle="--")
                axes.annotate(
                    f"bound {bounds[profile]:.2f}",
                    (bounds[profile], 0),
                    (-4, -2),
                    textcoords="offset points",
                    ha="right",
                    fontsize=8.5,
                )
            axes.set_yticks(range(len(high)), [label for label, _ in high])
            axes.margins(x=0.15)
            axes.set_ylim(-0.7, len(high) - 0.3)
            low = [f"{label} {interval.mean:.1f}" for label, interval in ranked if interval.mean < _SHOWN_FROM_PERCENT]
            below = f"\nbelow the axis: {', '.join(low)}" if low else ""
            dress(axes, profile, f"Grade of Service, %{below}", "")

    return draw


def latency(rows: Sequence[Row], services: Sequence[ServiceSpec]) -> Callable[[Any], None]:
    """Figure 7: mean end-to-end latency of accepted requests per service and policy, with 95 % intervals."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        width, colours = 0.8 / len(rows), palette([row.label for row in rows])
        for number, row in enumerate(rows):
            told = [row.interval(of_service("latency_ms_by_service", spec.key)) for spec in services]
            places = np.arange(len(services)) + (number - (len(rows) - 1) / 2) * width
            means, halves = _bars(told)
            axes.bar(places, means, width * 0.92, yerr=halves, capsize=3, color=colours[row.label], label=row.label)
        _service_axis(axes, services)
        dress(axes, "Mean end-to-end latency of accepted requests", "", "latency, ms")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, ncols=len(rows), loc="upper right")

    return draw


def latency_analysis(rows: Sequence[Row], services: Sequence[ServiceSpec]) -> Callable[[Any], None]:
    """Figure 8: what the latency is made of, and where 5 % to 95 % of the requests lie against the budget."""

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        width, colours = 0.8 / len(rows), palette([row.label for row in rows])
        for number, row in enumerate(rows):
            places = np.arange(len(services)) + (number - (len(rows) - 1) / 2) * width
            whole = _bars([row.interval(of_service("latency_ms_by_service", spec.key)) for spec in services])[0]
            way = _bars([row.interval(of_service("propagation_ms_by_service", spec.key)) for spec in services])[0]
            colour = colours[row.label]
            left.bar(places, way, width * 0.92, color=colour, label=f"{row.label}: propagation")
            left.bar(places, whole - way, width * 0.92, bottom=way, color=colour, alpha=0.4, label=f"{row.label}: processing")
            for place, spec in zip(places, services, strict=True):
                spread = [row.interval(percentile_ms(spec.key, each)) for each in range(5)]
                if spread[0] is None:
                    continue
                shares = [100_000 * each.mean / spec.latency_budget_us for each in spread if each]
                right.vlines(place, shares[0], shares[4], color=colour, linewidth=1.4)
                right.vlines(place, shares[1], shares[3], color=colour, linewidth=6, alpha=0.55)
                right.plot(place, shares[2], "o", color="white", markeredgecolor=colour, markersize=5)
            right.plot([], [], color=colour, linewidth=6, alpha=0.55, label=row.label)
        right.axhline(100, color="#B00020", linewidth=1.4)
        dress(left, "Mean latency: propagation and processing", "", "latency, ms")
        dress(right, "Latency against the budget: 5, 25, 50, 75, 95 %", "", "latency, % of the service's budget")
        for axes in (left, right):
            _service_axis(axes, services)
            axes.set_ylim(bottom=0)
        left.margins(y=0.25)
        left.legend(frameon=False, ncols=2, fontsize=8.5, loc="upper right")
        right.legend(frameon=False, fontsize=8.5, loc="upper right", bbox_to_anchor=(1, 0.93))

    return draw


def failures(rows: Sequence[Row], services: Sequence[ServiceSpec]) -> Callable[[Any], None]:
    """Figure 9: share of each service's requests that was refused, by cause."""

    def draw(figure: Any) -> None:
        panels = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
        highest = 0.0
        for axes, row in zip(panels, rows, strict=True):
            base = np.zeros(len(services))
            for label, (causes, colour) in _CAUSES.items():
                told = [row.interval(refused_percent(spec.key, causes)) for spec in services]
                shares = _bars(told)[0]
                if shares.any():
                    axes.bar(range(len(services)), shares, 0.7, bottom=base, color=colour, label=label)
                base = base + shares
            for place, share in enumerate(base.tolist()):
                axes.annotate(f"{share:.2f}", (place, share), (0, 3), **_CENTRED)
            axes.set_xticks(range(len(services)), [spec.label for spec in services])
            dress(axes, row.label, "", "refused requests, % of the service's" if axes is panels[0] else "")
            highest = max(highest, float(base.max()))
        panels[0].set_ylim(0, 1.12 * highest or 1)
        known = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        if known:
            figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=len(known), frameon=False)

    return draw


def over_time(evaluations: Sequence[Mapping[str, Any]], services: Sequence[ServiceSpec]) -> Callable[[Any], None]:
    """Grade of Service over the day, a line per policy; moving hour. A row of panels per disturbance: all services, and the
    one that loses most against the undisturbed day."""

    def draw(figure: Any) -> None:
        names = list(dict.fromkeys(each["disturbance"] for each in evaluations))
        panels = figure.subplots(len(names), 2, sharex=True, squeeze=False)
        colours = palette([each["policy"] for each in evaluations])
        for row, name in zip(panels, names, strict=True):
            mine = [each for each in evaluations if each["disturbance"] == name]
            hurt = _most_affected(mine, [each for each in evaluations if each["disturbance"] == names[0]])
            for axes, service in zip(row, (None, hurt), strict=True):
                for each in mine:
                    axes.plot(*_moving_gos(each, service), color=colours[each["policy"]], label=each["policy"], linewidth=1.4)
                if name != names[0]:
                    axes.axvspan(mine[0]["from_ms"] / HOUR_MS, mine[0]["to_ms"] / HOUR_MS, color="#FFE9C7", zorder=0)
                whose = "" if service is None else f": {services[service].label} only"
                dress(axes, f"{name}{whose}", "time of day, h" if name == names[-1] else "", "GoS, %" if axes is row[0] else "")
                axes.set_xlim(6, 24)
                axes.set_xticks(range(6, 25, 3))
        known = dict(zip(*reversed(panels[0, 0].get_legend_handles_labels()), strict=True))
        figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=len(known), frameon=False)

    return draw


def _most_affected(disturbed: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> int:
    """The service with the greatest loss of Grade of Service while the disturbance lasts, all policies together; or, in the
    plain day itself, the lowest Grade of Service."""

    def during(evaluations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        first, last = (disturbed[0][key] // disturbed[0]["bin_ms"] for key in ("from_ms", "to_ms"))
        asked, carried = (
            sum(np.asarray(each[key])[first:last].sum(axis=0) for each in evaluations)
            for key in ("requests_per_bin", "accepted_per_bin")
        )
        return np.asarray(carried / np.maximum(asked, 1))

    change = during(disturbed) - during(plain)
    return int((change if change.any() else during(disturbed)).argmin())


_CENTRED: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8.5}


def _moving_gos(evaluation: Mapping[str, Any], service: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Hours of the day and percent of the requests (of a service, None: of all) of the last hour that were accepted."""
    chosen = slice(None) if service is None else slice(service, service + 1)
    asked, carried = (np.asarray(evaluation[key])[:, chosen].sum(axis=1) for key in ("requests_per_bin", "accepted_per_bin"))
    window = np.ones(_SMOOTH_BINS)
    whole, part = np.convolve(asked, window)[: len(asked)], np.convolve(carried, window)[: len(asked)]
    share = np.divide(100 * part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return (np.arange(len(asked)) + 1) * evaluation["bin_ms"] / HOUR_MS, share


def _bars(told: Sequence[Interval | None]) -> tuple[np.ndarray, np.ndarray | None]:
    """Means (0 where there is none) and half widths, None where no repetition tells a spread."""
    means = np.array([each.mean if each else 0.0 for each in told])
    halves = [each.half_width if each else None for each in told]
    if all(half is None for half in halves):
        return means, None
    return means, np.array([half or 0.0 for half in halves])


def _service_axis(axes: Any, services: Sequence[ServiceSpec]) -> None:
    labels = [f"{spec.label}\n{spec.latency_budget_us / 1000:g} ms" for spec in services]
    axes.set_xticks(range(len(services)), labels)
    axes.set_xlabel("service and its latency budget")
