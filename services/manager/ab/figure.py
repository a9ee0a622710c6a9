"""The figure of a report: gain with what is not refused, and the evidence, over requests. Plain SVG: no library is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 960, 420
_GAIN, _WORSE, _BETTER = "#0072B2", "#D55E00", "#009E73"
_WIDEST_POINTS = 20.0
"""The first windows refuse next to nothing; the axis shows no more than this."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """Maps data to a rectangle of the picture."""

    left: float
    right: float
    xs: tuple[float, float]
    ys: tuple[float, float]
    top: float = 70.0
    bottom: float = 360.0

    def x(self, value: float) -> float:
        return self.left + (value - self.xs[0]) / (self.xs[1] - self.xs[0]) * (self.right - self.left)

    def y(self, value: float) -> float:
        inside = min(max(value, self.ys[0]), self.ys[1])
        return self.bottom - (inside - self.ys[0]) / (self.ys[1] - self.ys[0]) * (self.bottom - self.top)

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def evidence_svg(report: dict[str, Any]) -> str:
    """The picture of a report as `AbTest.report` makes it."""
    verdict = report["verdict"] or "running"
    title = f"{report['xapp']}: {report['candidate']} against {report['baseline']}: {verdict}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#222222">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="20" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="20" y="46">{escape(report["reason"])}</text>',
    ]
    if report["series"]:
        parts += _gain(report) + _evidence(report)
    else:
        parts.append('<text x="20" y="90">No window has been judged.</text>')
    return "\n".join([*parts, "</svg>\n"])


def _gain(report: dict[str, Any]) -> list[str]:
    series = report["series"]
    requests = [point["requests"] for point in series]
    gain, low, high = ([100 * point[name] for point in series] for name in ("gain", "low", "high"))
    floor, ceiling = max(-_WIDEST_POINTS, min(low)), min(_WIDEST_POINTS, max(high))
    panel = _Panel(70, 560, (0, max(requests[-1], 1)), (min(floor, -1), max(ceiling, 1)))
    band = panel.points(requests + requests[::-1], high + low[::-1])
    return [
        *_axes(panel, "gain in Grade of Service, points"),
        f'<polygon points="{band}" fill="{_GAIN}" fill-opacity="0.2"/>',
        _level(panel, 0.0, "#333333"),
        _line(panel, requests, gain, _GAIN),
        f'<text x="{panel.left + 8}" y="{panel.top + 14}" fill="{_GAIN}">gain so far, and what is not refused '
        f"(alpha {report['evidence']['alpha']:g})</text>",
    ]


def _evidence(report: dict[str, Any]) -> list[str]:
    series, threshold = report["series"], -math.log(report["evidence"]["side_alpha"])
    requests = [point["requests"] for point in series]
    worse = [point["log_evidence_worse"] for point in series]
    better = [point["log_evidence_better"] for point in series]
    panel = _Panel(640, 940, (0, max(requests[-1], 1)), (-4.0, max(threshold, *worse, *better) + 1))
    return [
        *_axes(panel, "log evidence; the dashed line is a verdict"),
        _level(panel, threshold, "#333333", dash=' stroke-dasharray="6 4"'),
        _line(panel, requests, worse, _WORSE),
        _line(panel, requests, better, _BETTER),
        f'<text x="{panel.left + 8}" y="{panel.top + 14}" fill="{_WORSE}">worse</text>',
        f'<text x="{panel.left + 58}" y="{panel.top + 14}" fill="{_BETTER}">better</text>',
    ]


def _axes(panel: _Panel, title: str) -> list[str]:
    parts = [f'<text x="{panel.left}" y="{panel.top - 6}" fill="#555555">{escape(title)}</text>']
    for tick in _ticks(*panel.ys):
        parts.append(_level(panel, tick, "#DDDDDD"))
        parts.append(f'<text x="{panel.left - 8}" y="{panel.y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text x="{panel.x(tick):.1f}" y="{panel.bottom + 18}" text-anchor="middle">{tick:,.0f}</text>'
        for tick in _ticks(*panel.xs)
    ]
    middle = (panel.left + panel.right) / 2
    return [*parts, f'<text x="{middle}" y="{panel.bottom + 38}" text-anchor="middle">requests of both versions</text>']


def _ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _level(panel: _Panel, value: float, colour: str, *, dash: str = "") -> str:
    y = panel.y(value)
    return f'<line x1="{panel.left}" x2="{panel.right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"{dash}/>'


def _line(panel: _Panel, xs: Sequence[float], ys: Sequence[float], colour: str) -> str:
    return f'<polyline points="{panel.points(xs, ys)}" fill="none" stroke="{colour}" stroke-width="2"/>'
