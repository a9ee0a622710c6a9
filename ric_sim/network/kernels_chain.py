"""Compiled reading of a chain off a snapshot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction
from ric_sim.network.city import IntArray, NodeKind
from ric_sim.network.graph import LAST_STAGE, GraphArrays

_UPF = int(NodeKind.UPF)
_UPLINK = int(Direction.UPLINK)


@njit(cache=True)
def open_hosts(
    graph: GraphArrays, used: IntArray, tier_terms: IntArray, ends: tuple[int, int, int], direction: int
) -> tuple[npt.NDArray[np.int8], IntArray, bool]:
    """`enter_stage`, `delay_us` and `source_has_room` of a `Chain`.

    Args:
        used: int64 [R].
        tier_terms: int64 [2, 4], coefficient (ns) and demand (micro-cores) per tier.
        ends: service, O-RU, UPF (`ANY_UPF` for any of the service).
    """
    service, ru, upf = ends
    n_links = len(graph.source)
    enter_stage = graph.no_host_open.copy()
    delay_us = np.zeros(len(enter_stage), np.int64)
    source_has_room = False
    for index in range(len(graph.hosts) + 1):
        node = graph.hosts[index] if index < len(graph.hosts) else ru
        tier = graph.kind[node]
        if tier == _UPF and not (graph.upf_service[node] == graph.upf_pool[service] and upf in (node, ANY_UPF)):
            continue
        in_use = used[n_links + node]
        if tier_terms[0, tier] > 0:
            # The formula of admission.host_processing_us, inlined: compiled code cannot call it.
            delay_us[node] = in_use * tier_terms[0, tier] // (graph.nominal_ucores[node] * 1000)
        has_room = in_use + tier_terms[1, tier] <= graph.limit[n_links + node]
        stage = tier if direction == _UPLINK else LAST_STAGE - tier
        if stage == 0:
            source_has_room = has_room
        elif has_room:
            enter_stage[node] = stage
    return enter_stage, delay_us, source_has_room
