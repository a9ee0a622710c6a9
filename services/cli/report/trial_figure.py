"""The figure of a trial: the gain of the candidate and what is not excluded, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_GAIN, _SERVICES = "#0072B2", "#D55E00"
_WIDEST_POINTS = 12.0
"""The first blocks exclude next to nothing; the axis shows no more than this."""


def draw_trial(report: dict[str, Any], path: Path) -> None:
    """Writes a PNG. `report` is that of `ricity loop`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    overall, services = figure.subplots(1, 2, width_ratios=(2, 1))
    _over_requests(overall, report)
    _by_service(services, report)
    for axes in (overall, services):
        axes.grid(color="#DDDDDD", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    title = f"{report['model']} version {report['version']} against {report['against']}: {report['verdict']}"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    figure.savefig(path)


def _over_requests(axes: Any, report: dict[str, Any]) -> None:
    requests, gain, low, high = np.array(report["track"]).T * np.array([[1], [100], [100], [100]])
    axes.fill_between(requests, low, high, color=_GAIN, alpha=0.2, linewidth=0, label=f"not excluded, alpha {report['alpha']:g}")
    axes.plot(requests, gain, color=_GAIN, label="gain so far")
    axes.axhline(0, color="#333333", linewidth=1)
    axes.set_ylim(max(-_WIDEST_POINTS, low.min()), min(_WIDEST_POINTS, high.max()))
    axes.set_xlabel("requests, each met by both")
    axes.set_ylabel("gain in Grade of Service, points")
    axes.legend(frameon=False)


def _by_service(axes: Any, report: dict[str, Any]) -> None:
    keys = list(report["by_service"])
    gains = [100 * report["by_service"][key]["gain"] for key in keys]
    axes.barh(keys, gains, color=_GAIN, height=0.6)
    axes.axvline(-100 * report["guard_ratio"], color=_SERVICES, linestyle="--", label="guard")
    axes.axvline(0, color="#333333", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("gain by service, points")
    axes.legend(frameon=False)
