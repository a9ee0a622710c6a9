"""The city in the form that compiled planners take: writable, contiguous int64 arrays of fixed types.

Numba compiles a kernel once per set of argument types. A `City` may come with read-only arrays, arrays of a file or of a
test; copies of one type keep it at one compilation, which is also what the on-disk cache holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.network.city import City, IntArray, NodeKind

TRANSIT = 0
"""`Chain.enter_stage` of a switch: it may be passed at any stage."""
CLOSED = -1
"""`Chain.enter_stage` of a host that the request may not enter."""
LAST_STAGE = 3
"""A chain has four functions; the source runs number 0, the destination number 3."""


class GraphArrays(NamedTuple):
    """N nodes, E directed links, D the largest out-degree, R = E + N resources; all int64, C-contiguous.

    Attributes:
        in_start, in_link: links into node v are `in_link[in_start[v]:in_start[v + 1]]`, ascending.
        out_start, out_link: links out of node v, likewise.
        source, target, latency_us: [E].
        limit: [R], kbps of links, then micro-cores of nodes.
        nominal_ucores: [N].
        kind, upf_service: [N], as in `City`.
        upf_pool: [S], as in `City`.
        hosts: O-DU, O-CU and UPF, ascending.
        no_host_open: int8 [N], `TRANSIT` for switches, `CLOSED` for hosts.
        action_node, action_link: [N, D], as `City.neighbours` and `City.out_links`.
    """

    in_start: IntArray
    in_link: IntArray
    out_start: IntArray
    out_link: IntArray
    source: IntArray
    target: IntArray
    latency_us: IntArray
    limit: IntArray
    nominal_ucores: IntArray
    kind: IntArray
    upf_service: IntArray
    upf_pool: IntArray
    hosts: IntArray
    no_host_open: npt.NDArray[np.int8]
    action_node: IntArray
    action_link: IntArray


@lru_cache(maxsize=16)
def graph_arrays(city: City) -> GraphArrays:
    """The arrays of a city; built once and shared, so never to be written to."""
    in_start, in_link = _grouped(city.link_dst, city.n_nodes)
    out_start, out_link = _grouped(city.link_src, city.n_nodes)
    kind = _int64(city.node_kind)
    return GraphArrays(
        in_start=in_start,
        in_link=in_link,
        out_start=out_start,
        out_link=out_link,
        source=_int64(city.link_src),
        target=_int64(city.link_dst),
        latency_us=_int64(city.link_latency_us),
        limit=_int64(city.limits),
        nominal_ucores=_int64(city.compute_nominal_ucores),
        kind=kind,
        upf_service=_int64(city.upf_service),
        upf_pool=_int64(city.upf_pool),
        hosts=np.flatnonzero((kind > NodeKind.O_RU) & (kind <= NodeKind.UPF)),
        no_host_open=np.where(kind <= NodeKind.UPF, CLOSED, TRANSIT).astype(np.int8),
        action_node=_int64(city.neighbours),
        action_link=_int64(city.out_links),
    )


def _int64(values: npt.ArrayLike) -> IntArray:
    return np.array(values, dtype=np.int64, order="C")


def _grouped(node_of_link: npt.NDArray[Any], n_nodes: int) -> tuple[IntArray, IntArray]:
    """Link indices grouped by a node of theirs: group starts [N + 1] and the links [E], ascending within a group."""
    starts = np.zeros(n_nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(node_of_link, minlength=n_nodes), out=starts[1:])
    return starts, np.argsort(node_of_link, kind="stable").astype(np.int64)
