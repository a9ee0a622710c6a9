"""The shared environment: who gets which request, and which routes hold."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import UnknownKey
from ric_sim.domain.reservation import CommitStatus
from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.admission import commit_request
from ric_sim.network.episodes.kernels import ARRIVED, NO_ROOM
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.store.base import StoreLayout
from ric_sim.store.memory_store import MemoryStore
from services.trainer.routing import find_config
from xapps.learning.config import TrainingConfig
from xapps.learning.local_episodes import LocalEpisodes
from xapps.learning.networks import RoutingNetwork
from xapps.learning.shared_env import ABORTED, CARRIED, REFUSED, VOID, MemoryEnvironment, Pace, no_routes

EVERYONE = range(6)
VOIP = 5


def config(**traffic: int) -> TrainingConfig:
    fast = find_config("fast")
    small = {"profiles": ("paper",), "lanes": 4, "filled": 0, "stretch": 400, **traffic}
    return fast.model_copy(
        update={
            "traffic": fast.traffic.model_copy(update=small),
            "reward": fast.reward.model_copy(update={"scarcity_first": 1, "scarcity_steps": 1}),
        }
    )


@pytest.fixture(scope="module")
def scenario():
    city = build_city("paper")
    return city, generate_day(city, "train", profile="paper", seed=5)


@pytest.fixture
def environment(scenario):
    made = MemoryEnvironment([scenario], config(), seed=1)
    made.prepare(EVERYONE)
    return made


@pytest.fixture(scope="module")
def router(scenario):
    """Routes with an untrained network."""
    city, _ = scenario
    torch.manual_seed(3)
    network = RoutingNetwork(city, config().network.shape, prior=6.0)
    episodes, generator = LocalEpisodes(city, config().mask.rules, RewardPlan(), capacity=8), torch.Generator().manual_seed(0)
    return lambda requests: episodes.play(requests, network, generator).routes


def test_requests_come_in_order_and_once(environment, scenario):
    _, day = scenario
    seen = [environment.fetch(VOIP, 4) for _ in range(30)]
    pairs = [tuple(ticket[:2]) for batch in seen for ticket in batch.tickets]
    assert len(pairs) > 4
    assert len(set(pairs)) == len(pairs)
    assert all(day.service[flow] == VOIP for _, flow in pairs)
    for world in range(4):
        flows = [flow for at, flow in pairs if at == world]
        assert flows == sorted(flows)


def test_no_agent_runs_away_from_the_others_but_an_absent_one_holds_nobody_up(scenario):
    environment = MemoryEnvironment([scenario], config(), seed=1, pace=Pace(lead_ms=5_000, patience=20))
    environment.prepare(EVERYONE)
    handed_out = [environment.fetch(VOIP, 4).n for _ in range(60)]
    assert 0 in handed_out[:20]
    assert min(handed_out[25:]) > 0


def test_requests_of_absent_agents_are_carried_all_the_same(scenario):
    environment = MemoryEnvironment([scenario], config(), seed=1, pace=Pace(patience=0))
    environment.prepare([])
    batches = [environment.fetch(VOIP, 4) for _ in range(40)]
    assert batches[-1].used.sum() > 0  # nobody committed anything


def test_what_is_committed_is_in_the_next_snapshot_and_expires(environment, router, scenario):
    _, day = scenario
    requests = environment.fetch(VOIP, 1)
    verdict = environment.commit(VOIP, (0, requests.tickets), router(requests), final=True)
    assert verdict.status.tolist() == [CARRIED]
    assert verdict.version[0] == requests.tickets[0, 3] + 1
    world, flow = requests.tickets[0, :2]
    end_ms = day.arrival_ms[flow] + day.holding_ms[flow]
    while True:
        batch = [environment.fetch(service, 4) for service in EVERYONE]
        for requests in batch:
            for ticket, request, used in zip(requests.tickets, requests.request, requests.used, strict=True):
                if ticket[0] == world:
                    assert (used.sum() > 0) == (request[5] < end_ms)
                    if request[5] >= end_ms:
                        return


def test_staleness_counts_what_happened_since_the_snapshot(environment, router):
    first, second = environment.fetch(4, 4), environment.fetch(VOIP, 4)
    assert sorted(first.tickets[:, 0]) == sorted(second.tickets[:, 0])
    before = environment.commit(4, (0, first.tickets), router(first), final=True)
    after = environment.commit(VOIP, (0, second.tickets), router(second), final=True)
    carried = before.status[np.argsort(first.tickets[:, 0])] == CARRIED
    assert after.staleness[np.argsort(second.tickets[:, 0])].tolist() == carried.astype(int).tolist()


def test_verdicts_are_those_of_the_store(scenario, router):
    """The same routes, far more than fit on the city, committed here and in the store every other part is tested against."""
    city, day = scenario
    environment = MemoryEnvironment([scenario], config(lanes=1), seed=2)
    environment.prepare(EVERYONE)
    store = MemoryStore()
    store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
    idle = environment.fetch(VOIP, 1)
    routes = router(idle)
    assert routes.status[0] == ARRIVED
    flow = day.flow(int(idle.tickets[0, 1]))
    links = routes.links[0, : routes.n_links[0]].tolist()
    statuses = []
    for copy in range(2_000):
        ours = environment.commit(VOIP, (0, idle.tickets), routes, final=False)
        request = commit_request(city, flow, links)
        theirs = store.commit([replace(request, flow_id=f"copy-{copy}")], now_ms=flow.arrival_ms)[0]
        assert (ours.status[0] == CARRIED) == (theirs.status == CommitStatus.COMMITTED)
        assert ours.cause[0] == theirs.cause
        statuses.append(int(ours.status[0]))
        if statuses[-1] == ABORTED:
            break
    assert statuses[-1] == ABORTED
    assert ours.again is not None
    assert (ours.again.used[0] == store.snapshot().used).all()


def test_request_without_a_route_is_refused(environment):
    requests = environment.fetch(VOIP, 2)
    routes = no_routes(requests.n)
    routes.status[:] = NO_ROOM
    verdict = environment.commit(VOIP, (0, requests.tickets), routes, final=False)
    assert set(verdict.status.tolist()) == {REFUSED}
    assert verdict.again is None
    assert (verdict.version == requests.tickets[:, 3]).all()


def test_routes_of_a_world_that_began_anew_are_void(scenario, router):
    environment = MemoryEnvironment([scenario], config(lanes=1, stretch=20), seed=1, pace=Pace(patience=0))
    environment.prepare([])
    old = environment.fetch(VOIP, 1)
    routes = router(old)
    while (newest := environment.fetch(VOIP, 1)).n == 0 or newest.tickets[0, 2] == old.tickets[0, 2]:
        pass
    verdict = environment.commit(VOIP, (0, old.tickets), routes, final=True)
    assert verdict.status.tolist() == [VOID]
    assert verdict.cost.tolist() == [0.0]


def test_same_calls_same_results(scenario, router):
    def played() -> list[bytes]:
        environment = MemoryEnvironment([scenario], config(filled=30), seed=7)
        environment.prepare(EVERYONE)
        log = []
        for turn in range(24):
            requests = environment.fetch(turn % 6, 4)
            routes = no_routes(requests.n)
            routes.status[:] = NO_ROOM
            verdict = environment.commit(turn % 6, (0, requests.tickets), routes, final=True)
            log += [requests.used.tobytes(), requests.tickets.tobytes(), verdict.cost.tobytes()]
        return log

    assert played() == played()


def test_agents_in_threads_never_oversubscribe(scenario, router):
    """Six threads commit the same route in the same world; what holds in the end is what the limits allow."""
    city, _ = scenario
    environment = MemoryEnvironment([scenario], config(lanes=1), seed=2)
    environment.prepare(EVERYONE)
    requests = environment.fetch(VOIP, 1)
    routes = router(requests)
    verdicts: list[int] = []

    def commit() -> None:
        answers = (environment.commit(VOIP, (0, requests.tickets), routes, final=True) for _ in range(150))
        verdicts.extend(int(answer.status[0]) for answer in answers)

    threads = [threading.Thread(target=commit) for _ in EVERYONE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(verdicts) == {CARRIED, ABORTED}
    used = environment.commit(VOIP, (0, requests.tickets), routes, final=False).again.used[0]
    assert (used <= city.limits).all()
    assert used[routes.links[0, 0]] == requests.request[0, 4] * verdicts.count(CARRIED)


def test_unknown_service_is_named(environment):
    with pytest.raises(UnknownKey, match="service index 9"):
        environment.fetch(9, 1)
