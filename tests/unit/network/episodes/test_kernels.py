"""Masks and guides of local episodes against what they promise and against the planners' own search."""

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.network.admission import MAX_ROUTE_LINKS, commit_request
from ric_sim.network.chain import ChainReader, as_amounts
from ric_sim.network.city import NodeKind
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations
from ric_sim.network.episodes.kernels import ARRIVED, FASTEST, GOING, NO_ROOM, NO_TIME
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.graph import graph_arrays
from ric_sim.network.kernels_layered import UNREACHABLE_US, latency_to_go
from tests.unit.network.policies.cities import busy


class _Episode:
    """One episode, step by step."""

    def __init__(self, city, flow, used, rules):
        self.arrays, self.limits = episode_arrays(city), rules.limits(city)
        self.rows, self.seen = new_episodes(self.arrays, 1), new_observations(self.arrays, 1)
        self.rows.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
        self.rows.used[0] = used
        self.status = kernels.begin(self.arrays, self.rows, 0, rules.idle_floor)

    def valid(self):
        self.status = kernels.observe(self.arrays, self.rows, 0, self.limits, self.seen, 0)
        return np.flatnonzero(self.seen.mask[0])

    def take(self, action):
        self.status = kernels.advance(self.arrays, self.rows, 0, action)

    @property
    def links(self):
        return tuple(self.rows.links[0, : self.rows.n_links[0]].tolist())

    def wander(self, rng):
        """Any valid hop, until it ends."""
        while self.status == GOING:
            valid = self.valid()
            if self.status == GOING:
                self.take(int(rng.choice(valid)))
        return self.status


def _full_or_roomy(city, flow, seed):
    """A busy snapshot in which every link is full, or has room for the request however often it crosses."""
    used = busy(city, seed)
    rng = np.random.default_rng(seed)
    roomy_kbps = np.maximum(city.limits[: city.n_links] - 64 * flow.bandwidth_kbps, 0).astype(np.uint32)
    used[: city.n_links] = np.where(
        rng.random(city.n_links) < 0.1, city.limits[: city.n_links], np.minimum(used[: city.n_links], roomy_kbps)
    )
    return used


STRICT = MaskRules(detour_ms={"ar": 2.0, "gaming": 2.0, "industry": 1.0, "video": 1.0, "iot": 0.0, "voip": 3.0})


@pytest.mark.parametrize("rules", [MaskRules(), STRICT])
def test_no_valid_hop_leads_astray_where_links_have_room_for_every_crossing(city, flows, rules):
    """The snapshot mask is exact: whoever stays inside arrives, whatever else he does, unless the interface's limit ends it."""
    rng = np.random.default_rng(1)
    arrived = 0
    for seed, flow in enumerate(flows):
        is_small = flow.bandwidth_kbps <= city.limits[: city.n_links].min() // 65
        used = _full_or_roomy(city, flow, seed) if is_small else np.zeros(city.n_resources, dtype=np.uint32)
        for _ in range(3):
            episode = _Episode(city, flow, used, rules)
            if episode.status != GOING:
                continue
            if episode.wander(rng) != ARRIVED:
                assert len(episode.links) == MAX_ROUTE_LINKS
                continue
            arrived += 1
            commit = commit_request(city, flow, episode.links)
            assert all(used[resource] + amount <= city.limits[resource] for resource, amount in commit.entries)
    assert arrived > len(flows)


def test_a_dead_end_lacks_nothing_but_what_the_walk_itself_has_taken(city, flows):
    """On any snapshot: given back the room of the links it has crossed, the walk can go on."""
    rng = np.random.default_rng(2)
    n_arrived = n_stuck = 0
    for seed, flow in enumerate(flows * 3):
        used = busy(city, seed)
        episode = _Episode(city, flow, used, MaskRules())
        if episode.status != GOING:
            continue
        if episode.wander(rng) == ARRIVED:
            n_arrived += 1
        elif len(episode.links) < MAX_ROUTE_LINKS:
            n_stuck += 1
            assert len(episode.valid()) == 0
            episode.rows.used[0] = used
            assert len(episode.valid()) > 0
            assert episode.status == GOING
    assert n_arrived > 10
    assert n_stuck > 0


@pytest.mark.parametrize("idle_lookahead", [False, True])
def test_begin_says_whether_a_route_exists(city, flows, idle_lookahead):
    """The same answers as the planners' search, whatever the mask looks ahead on."""
    rules = MaskRules("idle" if idle_lookahead else "snapshot")
    hurried = replace(
        city, services=tuple(replace(spec, latency_budget_us=spec.latency_budget_us // 2) for spec in city.services)
    )
    graph, reader = graph_arrays(hurried), ChainReader(hurried)
    seen = set()
    for seed, flow in enumerate(flows * 4):
        used = busy(hurried, seed)
        chain = reader.chain(as_amounts(used), flow)
        to_go = latency_to_go(graph, chain, as_amounts(used), chain.source, UNREACHABLE_US)[0, chain.source]
        expected = GOING if chain.delay_us[chain.source] + to_go <= chain.budget_us else NO_TIME
        if not chain.source_has_room or to_go == UNREACHABLE_US:
            expected = NO_ROOM
        assert _Episode(hurried, flow, used, rules).status == expected
        seen.add(expected)
    assert seen == {GOING, NO_ROOM, NO_TIME}


def test_the_fastest_guide_is_the_latency_still_to_come(city, flows):
    """State by state, against the planners' search; other O-RUs than the request's own are on no way and left out."""
    graph, reader = graph_arrays(city), ChainReader(city)
    compared = 0
    for seed, flow in enumerate(flows):
        used = busy(city, seed)
        episode = _Episode(city, flow, used, MaskRules())
        if episode.status == NO_ROOM:
            continue
        chain = reader.chain(as_amounts(used), flow)
        expected = latency_to_go(graph, chain, as_amounts(used), chain.source, UNREACHABLE_US)
        ours = episode.rows.guides[0, FASTEST]
        nodes = np.flatnonzero(city.node_kind != NodeKind.O_RU)
        reachable = expected[:, nodes] < UNREACHABLE_US
        assert np.array_equal(ours[:, nodes][reachable], expected[:, nodes][reachable])
        assert (ours[:, nodes][~reachable] >= 2**40).all()
        assert ours[0, chain.source] == expected[0, chain.source]
        compared += reachable.sum()
    assert compared > 1000
