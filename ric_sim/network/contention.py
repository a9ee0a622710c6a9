"""Planning where there is no room for all: on the amounts that would be left in use, and what a refused flow lacked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import FlowRequest
from ric_sim.network.admission import commit_request
from ric_sim.network.city import LAST_HOST_KIND, City

Amounts = npt.NDArray[np.uint32]


def demand_per_resource(city: City, flow: FlowRequest) -> npt.NDArray[np.int64]:
    """int64 [n_resources], what one use of each resource costs the flow: kbps on a link, micro-cores on a host, else 0."""
    per_kind = np.zeros(int(city.node_kind.max()) + 1, dtype=np.int64)
    tiers = city.services[flow.service].compute_ucore_per_kbps
    per_kind[: LAST_HOST_KIND + 1] = np.array(tiers) * flow.bandwidth_kbps
    return np.concatenate([np.full(city.n_links, flow.bandwidth_kbps, dtype=np.int64), per_kind[city.node_kind]])


def used_if_displacing(city: City, flow: FlowRequest, used: Amounts, displaceable: Amounts) -> Amounts:
    """Used amounts as the flow would find them, if from each resource just what it lacks there were displaced.

    A planner that is given these finds the routes that displacing opens, and reckons their latency with all load that stays;
    displacing whole reservations frees somewhat more, so the commit's latency is at most the planned one.

    Args:
        used: uint32 [n_resources] of a snapshot.
        displaceable: uint32 [n_resources], held by reservations of lower priority than the flow's.
    Returns:
        uint32 [n_resources], nowhere more than `used`.
    """
    in_use = used.astype(np.int64)
    with_room = city.limits.astype(np.int64) - demand_per_resource(city, flow)
    return np.minimum(in_use, np.maximum(in_use - displaceable, with_room)).astype(np.uint32)


def lacking_resources(city: City, flow: FlowRequest, used: Amounts, preferred: Sequence[int]) -> list[int]:
    """Why a flow was refused: the resources without room on the route it would take in an empty city.

    Where all of them have room, the load on the hosts made it too slow; then these are its hosts.

    Args:
        preferred: links of that route.
    """
    request = commit_request(city, flow, preferred)
    full = [r for r, amount in request.entries if int(used[r]) + amount > int(city.limits[r])]
    return full or [r for r, _, _ in request.hosts]
