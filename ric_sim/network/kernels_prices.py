"""Compiled prices of links and hosts that rise with their load, one rule per service."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.city import IntArray

FloatArray = npt.NDArray[np.float64]


class PriceTable(NamedTuple):
    """What services pay. S services, E links, N nodes, R = E + N resources; all float64, C-contiguous.

    Attributes:
        link_ms: [E], >= 0, of a link whatever its load.
        host_ms: [S, N], >= 0, of entering a node whatever its load.
        full_link_ms, full_host_ms: [S], on top of that for a link or host that the request fills to its limit; if negative,
            its absolute value for an empty one.
        per_kbps: [S, R], what a request takes of a resource per kbps: kbps of links, micro-cores of hosts.
        limit: [R], > 0, kbps and micro-cores.
    """

    link_ms: FloatArray
    host_ms: FloatArray
    full_link_ms: FloatArray
    full_host_ms: FloatArray
    per_kbps: FloatArray
    limit: FloatArray


@njit(cache=True)
def load_prices(table: PriceTable, used: IntArray, service: int, bandwidth_kbps: int) -> tuple[FloatArray, FloatArray]:
    """Prices of links (float64 [E]) and of entering hosts (float64 [N]), milliseconds, >= 0.

    `fixed + full * u ** 4`, or with a negative `full` as much less than `fixed - full`; u is the utilisation with the
    request in place, at most 1.

    Args:
        used: int64 [R], without the request.
    """
    link_ms = table.link_ms.copy()
    host_ms = table.host_ms[service].copy()
    _add_load(link_ms, table.full_link_ms[service], table, used, (service, bandwidth_kbps, 0))
    _add_load(host_ms, table.full_host_ms[service], table, used, (service, bandwidth_kbps, len(link_ms)))
    return link_ms, host_ms


@njit(cache=True)
def _add_load(price_ms: FloatArray, full_ms: float, table: PriceTable, used: IntArray, of: tuple[int, int, int]) -> None:
    """Adds the price of load in place. `of`: service, bandwidth (kbps), and the resource that `price_ms[0]` stands for."""
    service, bandwidth_kbps, first = of
    if full_ms == 0.0:
        return
    empty_ms = max(-full_ms, 0.0)
    for index in range(len(price_ms)):
        resource = first + index
        ratio = min((used[resource] + bandwidth_kbps * table.per_kbps[service, resource]) / table.limit[resource], 1.0)
        price_ms[index] += empty_ms + full_ms * ((ratio * ratio) * (ratio * ratio))
