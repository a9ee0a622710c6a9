"""Compiled lanes: many small worlds, each playing a stretch of a day with its own network state, side by side.

The kernels of `ric_sim.network.episodes` are called from here; `python -m ric_sim.network.policies` drops compiled code that
is older than any kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.domain.service import Direction
from ric_sim.network.city import IntArray, NodeKind
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.kernels import ARRIVED, DECLINED, GOING, Episodes, Observations
from ric_sim.network.episodes.space import EpisodeArrays

_UPLINK = int(Direction.UPLINK)
_LAST_HOST_KIND = int(NodeKind.UPF)
_NEVER_MS = 2**62
_ON_SNAPSHOT = False  # `idle_floor` of `kernels.begin`
_NO_REVISIT = False  # of `kernels.observe`
IDLE = 5
"""Status of a lane between two requests."""


class Lanes(NamedTuple):
    """L lanes over one day of F flows; M reservations at most at a time per lane; R resources.

    Attributes:
        flows: int64 [F, 7]: the six columns of `Episodes.request`, then the end (ms).
        live: int64 [L, R], what is in use.
        status, cursor, last, episode, n_decisions: int64 [L]; `cursor` the next flow, `last` the end of the stretch.
        starts: int64 [L, K], first flows of the stretches to play in turn; turn: int64 [L].
        stretch: int64 [1], flows in a stretch.
        due, item: int64 [L, M], a heap by end time; n_held: int64 [L].
        resource, amount: int64 [L, M, 72], what each reservation took; n_resources: int64 [L, M].
        watched: int64 [X], resources whose utilisation is recorded; place: int64 [R], where each is among them, -1 nowhere.
        blame, busy_until, owner: [L, M]: of each reservation, its blame so far, until when (ms) it is not blamed again, its flow.
        state: float32 [L, M, X], utilisation before each reservation.
    """

    flows: IntArray
    live: IntArray
    status: IntArray
    cursor: IntArray
    last: IntArray
    episode: IntArray
    starts: IntArray
    turn: IntArray
    stretch: IntArray
    due: IntArray
    item: IntArray
    n_held: IntArray
    resource: IntArray
    amount: IntArray
    n_resources: IntArray
    watched: IntArray
    place: IntArray
    blame: npt.NDArray[np.float32]
    busy_until: IntArray
    owner: IntArray
    state: npt.NDArray[np.float32]


class Verdicts(NamedTuple):
    """What reservations that have ended did to others, in the order they ended.

    Attributes:
        written: int64 [1], how many.
        service, began_ms, held_ms: int64 [C].
        blame: float32 [C], requests refused meanwhile that would have been carried had this reservation not been there.
        state: float32 [C, X], utilisation of the watched resources before the reservation.
        share: float32 [C, X], what it took of each, as a share of the limit.
    """

    written: IntArray
    service: IntArray
    began_ms: IntArray
    held_ms: IntArray
    blame: npt.NDArray[np.float32]
    state: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]


class Outcomes(NamedTuple):
    """What became of episodes, in the order they ended.

    Attributes:
        written: int64 [1], how many.
        lane, flow, status, episode, latency_us, n_links: int64 [C].
        before, after: float32 [C, X], utilisation of the watched resources around the commit.
    """

    written: IntArray
    lane: IntArray
    flow: IntArray
    status: IntArray
    episode: IntArray
    latency_us: IntArray
    n_links: IntArray
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]


@njit(cache=True)
def _judge(arrays: EpisodeArrays, lanes: Lanes, lane: int, slot: int, verdicts: Verdicts) -> None:
    at = verdicts.written[0]
    flow = lanes.flows[lanes.owner[lane, slot]]
    verdicts.service[at], verdicts.began_ms[at], verdicts.held_ms[at] = flow[0], flow[5], flow[6] - flow[5]
    verdicts.blame[at] = lanes.blame[lane, slot]
    verdicts.state[at] = lanes.state[lane, slot]
    verdicts.share[at] = 0.0
    for index in range(lanes.n_resources[lane, slot]):
        resource = lanes.resource[lane, slot, index]
        if lanes.place[resource] >= 0:
            verdicts.share[at, lanes.place[resource]] += lanes.amount[lane, slot, index] / arrays.graph.limit[resource]
    verdicts.written[0] += 1


@njit(cache=True)
def blame(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, lane: int) -> None:
    """Blames each reservation without which the request just refused would have been carried.

    Room serves one request at a time: who is blamed once is not again until the refused request would have ended.
    """
    graph = arrays.graph
    n_links = len(graph.source)
    service, bandwidth = ep.request[lane, 0], ep.request[lane, 4]
    for held in range(lanes.n_held[lane]):
        slot = lanes.item[lane, held]
        if lanes.busy_until[lane, slot] > ep.request[lane, 5]:
            continue
        matters = False
        for index in range(lanes.n_resources[lane, slot]):
            resource = lanes.resource[lane, slot, index]
            need = bandwidth
            if resource >= n_links:
                need *= arrays.demand[service, graph.kind[resource - n_links]]
            if lanes.live[lane, resource] + need > graph.limit[resource]:
                matters = True
                break
        if not matters:
            continue
        ep.used[lane] = lanes.live[lane]
        for index in range(lanes.n_resources[lane, slot]):
            ep.used[lane, lanes.resource[lane, slot, index]] -= lanes.amount[lane, slot, index]
        if kernels.is_feasible(arrays, ep, lane):
            lanes.blame[lane, slot] += 1.0
            lanes.busy_until[lane, slot] = lanes.flows[lanes.cursor[lane], 6]


@njit(cache=True)
def release_due(arrays: EpisodeArrays, lanes: Lanes, lane: int, now_ms: int, verdicts: Verdicts) -> None:
    """Gives back what ended at or before `now_ms`; a verdict on each, as long as there is room."""
    due, item = lanes.due[lane], lanes.item[lane]
    while lanes.n_held[lane] > 0 and due[0] <= now_ms:
        slot = item[0]
        if now_ms < _NEVER_MS and verdicts.written[0] < len(verdicts.blame):
            _judge(arrays, lanes, lane, slot, verdicts)
        for index in range(lanes.n_resources[lane, slot]):
            lanes.live[lane, lanes.resource[lane, slot, index]] -= lanes.amount[lane, slot, index]
        lanes.n_held[lane] -= 1
        size = lanes.n_held[lane]
        end, moved = due[size], item[size]
        item[size] = slot  # the places behind the heap list the free slots
        parent = 0
        while True:
            child = 2 * parent + 1
            if child >= size:
                break
            if child + 1 < size and due[child + 1] < due[child]:
                child += 1
            if end <= due[child]:
                break
            due[parent], item[parent] = due[child], item[child]
            parent = child
        if size > 0:
            due[parent], item[parent] = end, moved


@njit(cache=True)
def reserve(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, lane: int, end_ms: int) -> None:
    """Takes what the finished episode of a lane needs, until `end_ms`."""
    graph = arrays.graph
    n_links = len(graph.source)
    size = lanes.n_held[lane]
    slot = lanes.item[lane, size]
    resource, amount = lanes.resource[lane, slot], lanes.amount[lane, slot]
    service, bandwidth = ep.request[lane, 0], ep.request[lane, 4]
    source = ep.request[lane, 2] if ep.request[lane, 1] == _UPLINK else ep.request[lane, 3]
    resource[0], amount[0] = n_links + source, bandwidth * arrays.demand[service, graph.kind[source]]
    count = 1
    for index in range(ep.n_links[lane]):
        link = ep.links[lane, index]
        resource[count], amount[count] = link, bandwidth
        count += 1
        node = graph.target[link]
        if graph.kind[node] <= _LAST_HOST_KIND:
            resource[count], amount[count] = n_links + node, bandwidth * arrays.demand[service, graph.kind[node]]
            count += 1
    lanes.n_resources[lane, slot] = count
    for index in range(count):
        lanes.live[lane, resource[index]] += amount[index]
    due, item = lanes.due[lane], lanes.item[lane]
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if due[parent] <= end_ms:
            break
        due[child], item[child] = due[parent], item[parent]
        child = parent
    due[child], item[child] = end_ms, slot
    lanes.n_held[lane] += 1
    lanes.blame[lane, slot] = 0.0
    lanes.busy_until[lane, slot] = 0
    lanes.owner[lane, slot] = lanes.cursor[lane]


@njit(cache=True)
def watch(arrays: EpisodeArrays, lanes: Lanes, lane: int, out: npt.NDArray[np.float32]) -> None:
    """Writes the utilisation of the watched resources, float32 [M]."""
    for index in range(len(lanes.watched)):
        resource = lanes.watched[index]
        out[index] = lanes.live[lane, resource] / arrays.graph.limit[resource]


@njit(cache=True)
def _next_request(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, lane: int, verdicts: Verdicts) -> None:
    """Loads the next flow of a lane; at the end of a stretch an empty network and the next one."""
    if lanes.cursor[lane] >= lanes.last[lane]:
        lanes.turn[lane] = (lanes.turn[lane] + 1) % lanes.starts.shape[1]
        lanes.cursor[lane] = lanes.starts[lane, lanes.turn[lane]]
        lanes.last[lane] = min(lanes.cursor[lane] + lanes.stretch[0], len(lanes.flows))
        release_due(arrays, lanes, lane, _NEVER_MS, verdicts)
    flow = lanes.flows[lanes.cursor[lane]]
    release_due(arrays, lanes, lane, flow[5], verdicts)
    ep.request[lane] = flow[:6]
    ep.used[lane] = lanes.live[lane]
    lanes.episode[lane] += 1


@njit(cache=True)
def _settle(arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, lane: int, outcomes: Outcomes, with_blame: bool) -> None:  # noqa: FBT001 - compiled
    """Commits an episode that arrived, records what became of it and moves on."""
    at = outcomes.written[0]
    outcomes.lane[at], outcomes.flow[at], outcomes.status[at] = lane, lanes.cursor[lane], lanes.status[lane]
    outcomes.episode[at] = lanes.episode[lane]
    outcomes.latency_us[at], outcomes.n_links[at] = ep.latency_us[lane], ep.n_links[lane]
    watch(arrays, lanes, lane, outcomes.before[at])
    if lanes.status[lane] == ARRIVED and lanes.n_held[lane] < lanes.due.shape[1]:
        slot = lanes.item[lane, lanes.n_held[lane]]
        lanes.state[lane, slot] = outcomes.before[at]
        reserve(arrays, ep, lanes, lane, lanes.flows[lanes.cursor[lane], 6])
    elif with_blame and lanes.status[lane] != ARRIVED and lanes.status[lane] != DECLINED:
        blame(arrays, ep, lanes, lane)
    watch(arrays, lanes, lane, outcomes.after[at])
    outcomes.written[0] += 1
    lanes.cursor[lane] += 1
    lanes.status[lane] = IDLE


@njit(cache=True)
def play(
    arrays: EpisodeArrays,
    ep: Episodes,
    lanes: Lanes,
    actions: IntArray,
    limits: tuple[IntArray, bool, bool],
    results: tuple[Observations, Outcomes, Verdicts],
) -> None:
    """Takes one action in every lane that waits for one, then plays on until each lane waits for the next decision.

    Hops with a single valid action are taken without asking. Requests are routed one after the other on the state the one
    before left, so a route found is a route committed.

    Args:
        actions: int64 [L], -1 to take none.
        limits: as of `kernels.observe`, and `idle_floor` of `kernels.begin`.
        results: row per lane, the observation of the decision it waits for; and outcomes, appended to, up to their capacity: a
            lane whose outcome would not fit stays as it is and is not observed.
    """
    out, outcomes, verdicts = results
    most_us, no_revisit, idle_floor = limits
    for lane in range(len(lanes.status)):
        if lanes.status[lane] == GOING and actions[lane] >= 0:
            lanes.status[lane] = kernels.advance(arrays, ep, lane, actions[lane])
        while True:
            if lanes.status[lane] == GOING:
                lanes.status[lane] = kernels.observe(arrays, ep, lane, (most_us, no_revisit), out, lane)
                if lanes.status[lane] == GOING:
                    only = -1
                    for action in range(out.mask.shape[1]):
                        if out.mask[lane, action]:
                            if only >= 0:
                                only = -2
                                break
                            only = action
                    if only < 0:
                        break
                    lanes.status[lane] = kernels.advance(arrays, ep, lane, only)
            elif lanes.status[lane] == IDLE:
                _next_request(arrays, ep, lanes, lane, verdicts)
                lanes.status[lane] = kernels.begin(arrays, ep, lane, idle_floor)
            else:
                if outcomes.written[0] >= len(outcomes.lane):
                    out.mask[lane] = False
                    break
                _settle(arrays, ep, lanes, lane, outcomes, len(verdicts.blame) > 0)


@njit(cache=True)
def fill(
    arrays: EpisodeArrays, ep: Episodes, lanes: Lanes, results: tuple[Observations, Outcomes, Verdicts], n_flows: int
) -> None:
    """Plays `n_flows` requests in every lane along the guides, `FASTEST` and `SPARE` in turn, so that networks are not empty.

    Args:
        results: as of `play`; outcomes must have room for all.
    """
    out, outcomes, verdicts = results
    anywhere = np.full((3, len(arrays.budget_us)), -1, np.int64)
    for lane in range(len(lanes.status)):
        for _ in range(n_flows):
            _next_request(arrays, ep, lanes, lane, verdicts)
            lanes.status[lane] = kernels.begin(arrays, ep, lane, np.bool_(_ON_SNAPSHOT))
            guide = lanes.episode[lane] % 2
            while lanes.status[lane] == GOING:
                lanes.status[lane] = kernels.observe(arrays, ep, lane, (anywhere, np.bool_(_NO_REVISIT)), out, lane)
                if lanes.status[lane] != GOING:
                    break
                best = -1
                for action in range(out.mask.shape[1]):
                    if out.mask[lane, action] and (best < 0 or out.slots[lane, action, guide] < out.slots[lane, best, guide]):
                        best = action
                lanes.status[lane] = kernels.advance(arrays, ep, lane, best)
            _settle(arrays, ep, lanes, lane, outcomes, len(verdicts.blame) > 0)


@njit(cache=True)
def graph_features(arrays: EpisodeArrays, ep: Episodes, rows: IntArray, out: npt.NDArray[np.float32]) -> None:
    """`kernels.vertex_features` of several rows into `out`, float32 [n, V, F]."""
    for index in range(len(rows)):
        kernels.vertex_features(arrays, ep, rows[index], out[index])
