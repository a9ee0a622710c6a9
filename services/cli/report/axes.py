"""How the axes of every report's figures look."""

from __future__ import annotations

from typing import Any


def dress(axes: Any, headline: str, x: str, y: str) -> None:
    """Headline, labels, a pale grid behind the data, no box; an empty `x` leaves the label that is there."""
    axes.set_title(headline, loc="left", fontweight="bold", fontsize=11)
    if x:
        axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
