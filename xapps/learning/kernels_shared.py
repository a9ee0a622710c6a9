"""Compiled parts of the shared environment and of the agents' local episodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.domain.flow import Cause
from ric_sim.domain.service import Direction
from ric_sim.envs.kernels_lanes import Lanes, blame, release_due, reserve, watch
from ric_sim.envs.kernels_lanes import Verdicts as Blames
from ric_sim.network.city import PROCESSING_WEIGHT_PERCENT, IntArray, NodeKind
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.kernels import ARRIVED, DECLINED, GOING, NO_TIME, Episodes, Observations
from ric_sim.network.episodes.space import EpisodeArrays

CARRIED, REFUSED, ABORTED, VOID = 0, 1, 2, 3
"""What became of a request: reserved, no route found, the route did not fit when it was committed, its world began anew."""

_UPLINK = int(Direction.UPLINK)
_LAST_HOST_KIND = int(NodeKind.UPF)
_WEIGHTS = PROCESSING_WEIGHT_PERCENT
_LINK, _COMPUTE, _LATENCY = int(Cause.LINK_CAPACITY), int(Cause.COMPUTE_CAPACITY), int(Cause.LATENCY_BUDGET)
_NO_CAPACITY, _NO_LATENCY, _DECLINED = int(Cause.NO_ROUTE_CAPACITY), int(Cause.NO_ROUTE_LATENCY), int(Cause.DECLINED)
_TOO_LATE = int(Cause.TIME_TO_WAIT_EXPIRED)
_ON_SNAPSHOT = False  # `idle_floor` of `kernels.begin`
_NO_REVISIT = False  # of `kernels.observe`
_FOREVER_MS = 2**62


class Worlds(NamedTuple):
    """What the shared environment keeps of L lanes beside `Lanes`; S services, F flows.

    Attributes:
        first_at: int64 [F + 1, S], the first flow at or after each flow that is of a service, F if there is none.
        upcoming: int64 [L, S], the next flow of each service to hand out.
        clock_ms: int64 [L], newest arrival handed out.
        version: int64 [L], counts commits and releases, as a store's does.
        turn: int64 [L], how often the lane began anew.
    """

    first_at: IntArray
    upcoming: IntArray
    clock_ms: IntArray
    version: IntArray
    turn: IntArray


class Verdicts(NamedTuple):
    """One row per route.

    Attributes:
        status, cause, version, staleness: int64 [n]; `cause` as in `ric_sim.domain.flow.Cause`.
        before, after: float32 [n, X], utilisation of the watched resources around the commit.
    """

    status: IntArray
    cause: IntArray
    version: IntArray
    staleness: IntArray
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]


@njit(cache=True)
def _release(arrays: EpisodeArrays, lanes: Lanes, worlds: Worlds, lane: int, now_ms: int, blames: Blames) -> None:
    held = lanes.n_held[lane]
    release_due(arrays, lanes, lane, now_ms, blames)
    worlds.version[lane] += held - lanes.n_held[lane]


@njit(cache=True)
def begin_anew(arrays: EpisodeArrays, lanes: Lanes, worlds: Worlds, lane: int, blames: Blames) -> None:
    """An empty network and the next stretch of the day."""
    lanes.turn[lane] = (lanes.turn[lane] + 1) % lanes.starts.shape[1]
    first = lanes.starts[lane, lanes.turn[lane]]
    lanes.last[lane] = min(first + lanes.stretch[0], len(lanes.flows))
    _release(arrays, lanes, worlds, lane, _FOREVER_MS, blames)
    worlds.upcoming[lane] = worlds.first_at[first]
    worlds.clock_ms[lane] = lanes.flows[first, 5]
    worlds.turn[lane] += 1


@njit(cache=True)
def lead_ms(
    arrays: EpisodeArrays,
    lanes: Lanes,
    worlds: Worlds,
    who: tuple[int, npt.NDArray[np.bool_]],
    blames: Blames,
    out: IntArray,
) -> None:
    """How far a service's next request lies ahead of that of the slowest agent present, per lane; ended stretches begin anew."""
    service, present = who
    for lane in range(len(out)):
        if worlds.upcoming[lane, service] >= lanes.last[lane]:
            begin_anew(arrays, lanes, worlds, lane, blames)
        slowest_ms = _FOREVER_MS
        for other in range(len(present)):
            flow = worlds.upcoming[lane, other]
            if (present[other] or other == service) and flow < lanes.last[lane]:
                slowest_ms = min(slowest_ms, lanes.flows[flow, 5])
        flow = worlds.upcoming[lane, service]
        out[lane] = lanes.flows[flow, 5] - slowest_ms if flow < lanes.last[lane] else _FOREVER_MS


@njit(cache=True)
def _settle(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, worlds: Worlds, at: tuple[int, int, bool], blames: Blames) -> None:
    """Reserves what row `lane` of the episodes needs for a flow, or blames the reservations in its way."""
    lane, flow, carried = at
    if not carried:
        if len(blames.blame) > 0:
            blame(arrays, ep, lanes, lane)
        return
    worlds.version[lane] += 1
    if lanes.flows[flow, 6] > worlds.clock_ms[lane] and lanes.n_held[lane] < lanes.due.shape[1]:
        watch(arrays, lanes, lane, lanes.state[lane, lanes.item[lane, lanes.n_held[lane]]])
        lanes.cursor[lane] = flow
        reserve(arrays, ep, lanes, lane, lanes.flows[flow, 6])


@njit(cache=True)
def _carry_plainly(
    arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, worlds: Worlds, at: tuple[int, int], results: tuple[Observations, Blames]
) -> None:
    """Routes a flow along the guides, `FASTEST` and `SPARE` in turn: nobody is there to do better."""
    (lane, flow), (seen, blames) = at, results
    _release(arrays, lanes, worlds, lane, lanes.flows[flow, 5], blames)
    ep.request[lane], ep.used[lane] = lanes.flows[flow, :6], lanes.live[lane]
    anywhere = np.full((3, len(arrays.budget_us)), -1, np.int64)
    status = kernels.begin(arrays, ep, lane, np.bool_(_ON_SNAPSHOT))
    while status == GOING:
        status = kernels.observe(arrays, ep, lane, (anywhere, np.bool_(_NO_REVISIT)), seen, lane)
        if status != GOING:
            break
        best = -1
        for action in range(seen.mask.shape[1]):
            if seen.mask[lane, action] and (best < 0 or seen.slots[lane, action, flow % 2] < seen.slots[lane, best, flow % 2]):
                best = action
        status = kernels.advance(arrays, ep, lane, best)
    _settle(arrays, ep, lanes, worlds, (lane, flow, status == ARRIVED), blames)


@njit(cache=True)
def hand_out(
    arrays: EpisodeArrays,
    ep: Episodes,
    lanes: Lanes,
    worlds: Worlds,
    who: tuple[int, npt.NDArray[np.bool_], IntArray],
    results: tuple[Observations, Blames],
) -> IntArray:
    """Takes the next request of a service in some lanes; the requests of absent agents up to then are carried plainly.

    Args:
        who: service; bool [S], agents present; int64 [n], the lanes.
        results: room to observe in, row per lane; verdicts on reservations that end, appended to.
    Returns:
        int64 [n], the flows.
    """
    service, present, chosen = who
    flows = np.empty(len(chosen), np.int64)
    for index in range(len(chosen)):
        lane = chosen[index]
        flow = worlds.upcoming[lane, service]
        worlds.clock_ms[lane] = max(worlds.clock_ms[lane], lanes.flows[flow, 5])
        while True:
            earliest = flow
            for other in range(len(present)):
                if not present[other] and other != service:
                    earliest = min(earliest, worlds.upcoming[lane, other])
            if earliest == flow:
                break
            _carry_plainly(arrays, ep, lanes, worlds, (lane, earliest), results)
            other = lanes.flows[earliest, 0]
            worlds.upcoming[lane, other] = worlds.first_at[earliest + 1, other]
        _release(arrays, lanes, worlds, lane, worlds.clock_ms[lane], results[1])
        worlds.upcoming[lane, service] = worlds.first_at[flow + 1, service]
        flows[index] = flow
    return flows


@njit(cache=True)
def obstacle(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, lane: int) -> int:
    """Why the route in row `lane` of the episodes does not fit what is in use now, as `Cause`; 0 if it does.

    The rules of `ric_sim.network.admission`, inlined: compiled code cannot call them.
    """
    graph, live = arrays.graph, lanes.live[lane]
    n_links = len(graph.source)
    service, bandwidth = ep.request[lane, 0], ep.request[lane, 4]
    mean, budget_us = arrays.mean_bandwidth_kbps[service], arrays.budget_us[service]
    latency_us = 0
    lacks_compute = False
    node = ep.request[lane, 2] if ep.request[lane, 1] == _UPLINK else ep.request[lane, 3]
    for index in range(ep.n_links[lane] + 1):
        if index > 0:
            link = ep.links[lane, index - 1]
            times = 0
            for other in range(ep.n_links[lane]):
                times += ep.links[lane, other] == link
            if live[link] + times * bandwidth > graph.limit[link]:
                return _LINK
            latency_us += graph.latency_us[link]
            node = graph.target[link]
        tier = graph.kind[node]
        if tier <= _LAST_HOST_KIND:
            in_use = live[n_links + node]
            lacks_compute |= in_use + bandwidth * arrays.demand[service, tier] > graph.limit[n_links + node]
            coefficient_ns = arrays.processing_ns[service] * _WEIGHTS[tier] * (mean + bandwidth) // (200 * mean)
            if coefficient_ns > 0:
                latency_us += in_use * coefficient_ns // (graph.nominal_ucores[node] * 1000)
    if lacks_compute:
        return _COMPUTE
    return _LATENCY if latency_us > budget_us else 0


@njit(cache=True)
def decide(
    arrays: EpisodeArrays,
    ep: Episodes,
    lanes: Lanes,
    worlds: Worlds,
    asked: tuple[IntArray, IntArray, IntArray, bool],
    results: tuple[Verdicts, Blames],
) -> None:
    """Commits routes one after the other.

    Args:
        asked: int64 [n, 4], lane, flow, turn and version read; int64 [n, 64], links; int64 [n, 2], `ARRIVED`, `NO_ROOM` or
            `NO_TIME`, and how many links; whether an abort is final (else nobody is blamed yet).
        results: written; and verdicts on reservations that end, appended to.
    """
    tickets, links, found, final = asked
    verdicts, blames = results
    for row in range(len(tickets)):
        lane, flow = tickets[row, 0], tickets[row, 1]
        if tickets[row, 2] != worlds.turn[lane]:
            verdicts.status[row], verdicts.cause[row] = VOID, _TOO_LATE
            verdicts.version[row], verdicts.staleness[row] = worlds.version[lane], 0
            continue
        verdicts.staleness[row] = worlds.version[lane] - tickets[row, 3]
        status, cause = REFUSED, _NO_LATENCY if found[row, 0] == NO_TIME else _NO_CAPACITY
        declined = found[row, 0] == DECLINED
        if declined:
            cause = _DECLINED
        ep.request[lane] = lanes.flows[flow, :6]
        if found[row, 0] == ARRIVED:
            ep.n_links[lane], ep.links[lane] = found[row, 1], links[row]
            cause = obstacle(arrays, ep, lanes, lane)
            status = CARRIED if cause == 0 else ABORTED
        watch(arrays, lanes, lane, verdicts.before[row])
        if not declined and (final or status != ABORTED):
            _settle(arrays, ep, lanes, worlds, (lane, flow, status == CARRIED), blames)
        watch(arrays, lanes, lane, verdicts.after[row])
        verdicts.status[row], verdicts.cause[row], verdicts.version[row] = status, cause, worlds.version[lane]


@njit(cache=True)
def begin_rows(arrays: EpisodeArrays, ep: Episodes, status: IntArray, idle_floor: bool) -> None:  # noqa: FBT001 - compiled
    """`kernels.begin` of the first rows."""
    for row in range(len(status)):
        status[row] = kernels.begin(arrays, ep, row, idle_floor)


@njit(cache=True)
def step_rows(
    arrays: EpisodeArrays, ep: Episodes, status: IntArray, actions: IntArray, limits: tuple[IntArray, bool], out: Observations
) -> None:
    """Takes an action in each row that is `GOING` (-1 for none), then the hops without a choice, up to the next decision."""
    for row in range(len(status)):
        if status[row] == GOING and actions[row] >= 0:
            status[row] = kernels.advance(arrays, ep, row, actions[row])
        while status[row] == GOING:
            status[row] = kernels.observe(arrays, ep, row, limits, out, row)
            if status[row] != GOING:
                break
            only = -1
            for action in range(out.mask.shape[1]):
                if out.mask[row, action]:
                    if only >= 0:
                        only = -2
                        break
                    only = action
            if only < 0:
                break
            status[row] = kernels.advance(arrays, ep, row, only)
