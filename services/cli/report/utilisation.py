"""How full the city was over the day, from the commit log alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.reservation import Change, ChangeKind
from ric_sim.network.city import City, IntArray, NodeKind

_BIN_WIDTHS_MS = (1_000, 10_000, 60_000, 300_000)
_WIDEST_BIN_MS = 600_000
_BINS = 150

Ratios = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UtilisationOverDay:
    """Used share of what admission may use, as the mean over each bin of emulated time.

    Attributes:
        time_ms: int64 [T], middle of each bin.
        groups: name -> float64 [T], sum of used over sum of limits of the group.
        link_mean, link_max: float64 [T], over all links.
    """

    time_ms: npt.NDArray[np.int64]
    groups: dict[str, Ratios]
    link_mean: Ratios
    link_max: Ratios


def host_groups(city: City) -> dict[str, npt.NDArray[np.intp]]:
    """Resources (compute) per kind of host: near and regional O-DU and O-CU, UPF. Empty groups are left out."""
    kinds = {"O-DU": NodeKind.O_DU, "O-CU": NodeKind.O_CU}
    groups = {
        f"{label} {'near' if near else 'far'}": np.flatnonzero((city.node_kind == kind) & (city.near_host == near))
        for label, kind in kinds.items()
        for near in (True, False)
    }
    groups["UPF"] = np.flatnonzero(city.node_kind == NodeKind.UPF)
    return {label: nodes + city.n_links for label, nodes in groups.items() if len(nodes)}


def utilisation_over_day(city: City, changes: Iterable[Change], *, start_ms: int, end_ms: int) -> UtilisationOverDay:
    """Replays the log in bins of emulated time.

    Args:
        changes: the log from its first record on.
        start_ms, end_ms: the emulated time that is wanted; what was reserved before counts, what comes later does not.
    """
    width_ms = next((width for width in _BIN_WIDTHS_MS if end_ms - start_ms <= width * _BINS), _WIDEST_BIN_MS)
    n_bins = max(1, -(-(end_ms - start_ms) // width_ms))
    times_ms, resources, amounts = _steps(changes, end_ms)
    offset_ms = np.maximum(times_ms - start_ms, 0)
    bins = offset_ms // width_ms
    rest = 1 - (offset_ms % width_ms) / width_ms  # share of its own bin in which a step holds
    steps = np.zeros((n_bins, city.n_resources))
    np.add.at(steps, (bins, resources), amounts)
    partial = np.zeros_like(steps)
    np.add.at(partial, (bins, resources), amounts * rest)
    used = steps.cumsum(axis=0) - steps + partial
    limits = city.limits.astype(np.float64)
    links = used[:, : city.n_links] / limits[: city.n_links]
    return UtilisationOverDay(
        time_ms=start_ms + np.arange(n_bins) * width_ms + width_ms // 2,
        groups={label: used[:, members].sum(axis=1) / limits[members].sum() for label, members in host_groups(city).items()},
        link_mean=links.mean(axis=1),
        link_max=links.max(axis=1),
    )


def _steps(changes: Iterable[Change], end_ms: int) -> tuple[IntArray, IntArray, IntArray]:
    """Emulated time, resource and signed amount of every step before `end_ms`."""
    times_ms, resources, amounts = [], [], []
    for change in changes:
        if change.now_ms >= end_ms:
            break
        sign = 1 if change.kind == ChangeKind.COMMIT else -1
        for resource, amount in change.entries:
            times_ms.append(change.now_ms)
            resources.append(resource)
            amounts.append(sign * amount)
    return np.array(times_ms, np.int64), np.array(resources, np.int64), np.array(amounts, np.int64)
