"""The figures of a run, one PNG each. Services keep their colour in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ric_sim.domain.flow import Cause
from ric_sim.domain.service import ServiceSpec
from ric_sim.e2.node.ledger import Outcome
from ric_sim.network.traffic import DAY_MS, Day
from services.cli.report.ledger import DayLedger
from services.cli.report.utilisation import UtilisationOverDay

HOUR_MS = 3_600_000
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D1F", "#666666")
"""Okabe and Ito's palette: told apart by people who do not see all colours."""

_CAUSE_COLOURS = ("#2F4B7C", "#7A9CC6", "#B7C9E2", "#F2B134", "#C8553D", "#6B6B6B")
"""Causes are no services: other colours."""

_GROUP_STYLES = {
    "O-DU near": ("#D55E00", "-"),
    "O-DU far": ("#D55E00", "--"),
    "O-CU near": ("#0072B2", "-"),
    "O-CU far": ("#0072B2", "--"),
    "UPF": ("#009E73", "-"),
}


class RunPlots:
    """Draws what one run left behind."""

    def __init__(self, services: Sequence[ServiceSpec], day: Day, ledger: DayLedger, title: str) -> None:
        """`title` says what was run, e.g. "paper, test day, cspf"; it stands under every headline."""
        self._services = services
        self._day = day
        self._ledger = ledger
        self._title = title
        self._colours = [_COLOURS[index % len(_COLOURS)] for index in range(len(services))]

    def draw_all(self, folder: Path, utilisation: UtilisationOverDay) -> list[Path]:
        """Writes every figure; returns their paths."""
        figures: dict[str, Callable[[Any], None]] = {
            "gos_over_day": self._gos_over_day,
            "latency_by_service": self._latency_by_service,
            "decision_time": self._decision_time,
            "utilisation": lambda figure: self._utilisation(figure, utilisation),
            "rejects_by_cause": self._rejects_by_cause,
        }
        return [self._save(folder / f"{name}.png", draw) for name, draw in figures.items()]

    def _save(self, path: Path, draw: Callable[[Any], None]) -> Path:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 5.6), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(path)
        return path

    def _axes(self, figure: Any, headline: str, x: str, y: str) -> Any:
        axes = figure.add_subplot()
        axes.set_title(f"{headline}\n", loc="left", fontweight="bold", fontsize=13)
        axes.text(0, 1.015, self._title, transform=axes.transAxes, color="#555555", fontsize=9.5)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(color="#DDDDDD", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        return axes

    def _gos_over_day(self, figure: Any) -> None:
        """Accepted over raised per service, in bins wide enough for at least a few requests of each."""
        axes = self._axes(figure, "Grade of Service over the day", "time of day", "accepted requests, %")
        raised, accepted = self._ledger.raised, self._ledger.accepted
        edges = _time_bins(self._day.arrival_ms[raised])
        for index, spec in enumerate(self._services):
            of = self._ledger.service == index
            n_raised = np.histogram(self._day.arrival_ms[raised & of], edges)[0]
            n_accepted = np.histogram(self._day.arrival_ms[accepted & of], edges)[0]
            gos = np.divide(100.0 * n_accepted, n_raised, out=np.full(len(n_raised), np.nan), where=n_raised > 0)
            share = 100 * accepted[of].sum() / max(1, raised[of].sum())
            label = f"{spec.label}  {share:.1f} %"
            axes.plot(
                (edges[:-1] + edges[1:]) / 2 / HOUR_MS,
                gos,
                color=self._colours[index],
                linewidth=1.8,
                marker="o",
                markersize=3,
                label=label,
            )
        _clock_axis(axes, edges[0] / HOUR_MS, edges[-1] / HOUR_MS)
        axes.set_ylim(top=100.6)
        axes.legend(title="whole run", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    def _latency_by_service(self, figure: Any) -> None:
        axes = self._axes(figure, "End-to-end latency of accepted requests", "", "latency, ms")
        shown = [i for i in range(len(self._services)) if (self._ledger.accepted & (self._ledger.service == i)).any()]
        for place, index in enumerate(shown):
            latency_ms = self._ledger.latency_us[self._ledger.accepted & (self._ledger.service == index)] / 1000
            _violin(axes, latency_ms, place, self._colours[index])
            budget_ms = self._services[index].latency_budget_us / 1000
            axes.hlines(budget_ms, place - 0.4, place + 0.4, color="#B00020", linewidth=2)
            axes.annotate(
                f"budget {budget_ms:g} ms", (place, budget_ms), (0, 3), textcoords="offset points", ha="center", fontsize=8
            )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xticks(range(len(shown)), [self._services[index].label for index in shown])
        axes.grid(axis="x", visible=False)

    def _decision_time(self, figure: Any) -> None:
        axes = self._axes(
            figure,
            "Decision time, INSERT sent to answer received",
            "decision time, ms (log scale)",
            "requests decided within it, %",
        )
        decision_ms = np.maximum((self._ledger.answered_us - self._ledger.sent_us) / 1000, 0.01)
        for index, spec in enumerate(self._services):
            mine = np.sort(decision_ms[self._ledger.decided & (self._ledger.service == index)])
            if len(mine):
                p50, p99 = np.percentile(mine, (50, 99))
                share = 100 * np.arange(1, len(mine) + 1) / len(mine)
                label = f"{spec.label}  {p50:.1f} / {p99:.1f} ms"
                axes.plot(mine, share, color=self._colours[index], linewidth=1.8, drawstyle="steps-post", label=label)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        for percent in (50, 99):
            axes.axhline(percent, color="#888888", linewidth=0.8, linestyle=":")
        axes.set_ylim(0, 101)
        axes.legend(title="p50 / p99", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    def _utilisation(self, figure: Any, utilisation: UtilisationOverDay) -> None:
        axes = self._axes(figure, "Utilisation of what admission may use", "time of day", "used, % of the limit")
        hours = utilisation.time_ms / HOUR_MS
        for label, ratios in utilisation.groups.items():
            colour, line = _GROUP_STYLES.get(label, ("#444444", "-"))
            axes.plot(hours, 100 * ratios, color=colour, linestyle=line, linewidth=1.6, label=label)
        axes.plot(hours, 100 * utilisation.link_mean, color="#777777", linewidth=1.2, label="links, mean")
        axes.plot(hours, 100 * utilisation.link_max, color="#BBBBBB", linewidth=0.8, zorder=1, label="links, fullest")
        _clock_axis(axes, float(hours[0]), float(hours[-1]))
        axes.set_ylim(0, 102)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    def _rejects_by_cause(self, figure: Any) -> None:
        axes = self._axes(figure, "Requests not carried, by cause", "", "requests")
        lost = self._ledger.raised & ~self._ledger.accepted & (self._ledger.outcome != Outcome.PENDING)
        present = np.unique(self._ledger.cause[lost])
        counts = {
            Cause(int(cause)): [
                int((lost & (self._ledger.cause == cause) & (self._ledger.service == i)).sum()) for i in self._range
            ]
            for cause in present
        }
        base = np.zeros(len(self._services), int)
        for place, (cause, numbers) in enumerate(counts.items()):
            axes.bar(
                self._range,
                numbers,
                0.6,
                bottom=base,
                color=_CAUSE_COLOURS[place % len(_CAUSE_COLOURS)],
                label=cause.label.replace("_", " "),
            )
            base += numbers
        for index, total in enumerate(base.tolist()):
            raised = int((self._ledger.raised & (self._ledger.service == index)).sum())
            text = f"{total}\n{100 * total / max(1, raised):.1f} %"
            axes.annotate(text, (index, total), (0, 3), textcoords="offset points", ha="center", fontsize=9)
        axes.set_xticks(self._range, [spec.label for spec in self._services])
        axes.grid(axis="x", visible=False)
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)
        if counts:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    @property
    def _range(self) -> range:
        return range(len(self._services))


def _time_bins(arrival_ms: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Edges of equal bins over what was played: an hour each for a whole day, finer for a part of it."""
    if not len(arrival_ms):
        return np.array([0, DAY_MS])
    low, high = int(arrival_ms.min()), int(arrival_ms.max()) + 1
    width = next((minutes for minutes in (1, 5, 15, 30) if (high - low) <= minutes * 60_000 * 16), 60) * 60_000
    return np.arange(low // width, -(-high // width) + 1) * width


def _clock_axis(axes: Any, low_h: float, high_h: float) -> None:
    """Hours and minutes of the day along x."""
    from matplotlib.ticker import MultipleLocator

    axes.set_xlim(low_h, max(high_h, low_h + 1 / 60))
    span_h = high_h - low_h
    step_h = next((step for step in (1 / 60, 5 / 60, 0.25, 0.5, 1, 2) if span_h <= 13 * step), 3)
    axes.xaxis.set_major_locator(MultipleLocator(step_h))
    axes.xaxis.set_major_formatter(lambda hour, _: f"{int(hour + 1e-6):02d}:{round(hour % 1 * 60) % 60:02d}")


def _violin(axes: Any, values: np.ndarray[Any, Any], place: int, colour: str) -> None:
    """The distribution as a violin with median and 5 % to 95 % range; a single value as a dot."""
    low, median, high = np.percentile(values, (5, 50, 95))
    if len(values) > 2 and np.ptp(values) > 0:
        (body,) = axes.violinplot(values, [place], widths=0.8, showextrema=False)["bodies"]
        body.set(facecolor=colour, alpha=0.45)
    axes.vlines(place, low, high, color=colour, linewidth=3)
    axes.plot(place, median, "o", color="white", markeredgecolor=colour, markersize=7)
    axes.annotate(f"{median:.1f}", (place, median), (9, -3), textcoords="offset points", fontsize=9)
