"""The figure of a run's slicing half: reward and satisfied frames over time, beside the rule's under the same conditions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_LEARNED, _RULE = "#0072B2", "#666666"
_POINTS = 60


def draw_slicing(path: Path, record: Mapping[str, Any]) -> Path:
    """Writes the figure.

    Args:
        record: content of slicing.json with at least one frame.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    frames = np.asarray(record["series_frame"], dtype=np.float64)
    panels = (("reward", "rule_reward", "Reward", 1.0), ("all3", "rule_all3", "All slices satisfied, %", 100.0))
    for axes, (learned, rule, label, factor) in zip(figure.subplots(1, 2), panels, strict=True):
        for column, name, colour in ((rule, f"rule {record['rule']}", _RULE), (learned, "dApps", _LEARNED)):
            values = factor * np.mean([du["series"][column] for du in record["dus"].values()], axis=0)
            axes.plot(*_smoothed(frames, values), color=colour, label=name)
        axes.set_xlabel("frames")
        axes.set_ylabel(label)
        axes.grid(color="#DDDDDD", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.suptitle(f"Slicing of {record['n_dus']} O-DUs while their critic learns", x=0.01, ha="left", fontweight="bold")
    figure.savefig(path)
    return path


def _smoothed(
    frames: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means of neighbouring windows, at most `_POINTS` of them."""
    pieces = min(_POINTS, len(frames))
    ends = np.array([piece[-1] for piece in np.array_split(frames, pieces)])
    return ends, np.array([piece.mean() for piece in np.array_split(values, pieces)])
