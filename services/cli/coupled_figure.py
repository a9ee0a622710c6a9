"""The figure of both halves in one city: what two routing policies admit over a day, and what slicing makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_DASHES = ("--", "-", ":", "-.")
_FLOW_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_SHOWN_CELLS = "by size"


def draw_coupled(path: Path, document: Mapping[str, Any]) -> Path:
    """Writes the figure; a colour per slice or slicing policy, a kind of line per routing policy.

    Args:
        document: of `play_coupled`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator

    figure = Figure(figsize=(12, 9), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1.0, 1.2, 1.2))
    hours = document["hours"]
    dashes = {each["policy"]: dash for each, dash in zip(document["routing"], _repeated(_DASHES, 8), strict=False)}
    for each in document["routing"]:
        for colour, (name, flows) in zip(_COLOURS, each["flows"].items(), strict=False):
            label = f"{name}, routing {each['policy']} (GoS {100 * each['gos']:.1f} %)"
            panels[0].plot(hours, flows, dashes[each["policy"]], color=colour, label=label)
    panels[0].set_ylabel("Admitted flows in progress")
    panels[0].set_yscale("symlog", linthresh=1)
    panels[0].yaxis.set_major_locator(FixedLocator(_FLOW_TICKS))
    panels[0].yaxis.set_major_formatter("{x:g}")
    shown = [each for each in document["evaluations"] if each["cells"] == _SHOWN_CELLS]
    slicing = list(dict.fromkeys(each["slicing"] for each in shown))
    colours = dict(zip(slicing, _repeated(_COLOURS, len(slicing)), strict=True))
    for each in shown:
        style = {"linestyle": dashes[each["routing"]], "color": colours[each["slicing"]]}
        mean = f"{each['reward']:.3f}"
        panels[1].plot(hours, each["series"]["reward"], **style, label=_pair(each, mean))
        served = [100 * part for part in each["series"]["served_ratio"]]
        mean = f"{100 * each['served_ratio']:.1f} %"
        panels[2].plot(hours, served, **style, label=_pair(each, mean))
    panels[1].set_ylabel("Radio reward of a cell")
    panels[2].set_ylabel("Requested traffic that is admitted\nand whose slice has its QoS, %")
    panels[2].set_xlabel("hour of the day")
    for axes in panels:
        axes.grid(color="#DDDDDD", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    title = f"Routing and slicing in one city: {document['profile']}, {document['day']} day"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    figure.savefig(path)
    return path


def _pair(evaluation: Mapping[str, Any], mean: str) -> str:
    return f"slicing {evaluation['slicing']}, routing {evaluation['routing']}: {mean}"


def _repeated(values: Sequence[str], n: int) -> list[str]:
    """The first n of them, over and over."""
    return [values[index % len(values)] for index in range(n)]
