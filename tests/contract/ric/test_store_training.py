"""Agents that train against a live store, over the RIC and straight to a server."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from ric_sim.domain.errors import CityMismatch, StoreUnreachable
from ric_sim.network.city import City
from ric_sim.network.episodes.kernels import NO_ROOM
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.traffic import Day
from ric_sim.store.base import StoreLayout
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore
from services.trainer.async_trainer import AgentsPlan, TurnTaking
from services.trainer.routing import find_config
from services.trainer.store_env import RicDoor, StoreDoor, StoreEnvironment
from tests.harness import route_on_empty_network
from xapps.learning.shared_env import CARRIED, REFUSED, RequestBatch, Routes, no_routes

VOIP = 5


@pytest.fixture(scope="module")
def day() -> Day:
    return generate_day(build_city("paper"), "train", profile="paper", seed=3)


def plain_routes(city: City, environment: StoreEnvironment, requests: RequestBatch) -> Routes:
    routes = no_routes(requests.n)
    for row, ordinal in enumerate(requests.tickets[:, 1].tolist()):
        links = route_on_empty_network(city, environment._flow(VOIP, ordinal))
        routes.status[row], routes.n_links[row], routes.links[row, : len(links)] = 1, len(links), links
    return routes


async def test_routes_are_committed_over_the_ric(ric, day):
    environment = StoreEnvironment(RicDoor(f"127.0.0.1:{ric.grpc_port}"), ric.city, day, patience_s=5.0)

    def train() -> tuple:
        environment.prepare([VOIP])
        first = environment.fetch(VOIP, 4)
        verdict = environment.commit(VOIP, (0, first.tickets), plain_routes(ric.city, environment, first), final=True)
        return first, verdict, environment.fetch(VOIP, 4)

    first, verdict, second = await asyncio.to_thread(train)
    assert verdict.status.tolist() == [CARRIED] * 4
    assert (verdict.version > first.tickets[:, 3]).all()
    assert first.used.sum() == 0
    assert second.used.sum() > 0
    assert second.request[:, 5].min() >= first.request[:, 5].max()


async def test_store_of_another_size_is_refused(ric, day):
    city = build_city("paper")
    environment = StoreEnvironment(RicDoor(f"127.0.0.1:{ric.grpc_port}"), city, day)
    smaller = StoreEnvironment(_Shrunk(environment._door), city, day)
    with pytest.raises(CityMismatch, match="another city"):
        await asyncio.to_thread(smaller.prepare, [VOIP])


class _Shrunk:
    """A door to a store that lacks a resource."""

    def __init__(self, door) -> None:
        self._door = door

    def snapshot(self):
        snapshot = self._door.snapshot()
        return type(snapshot)(snapshot.version, snapshot.now_ms, snapshot.used[1:], snapshot.pressure)


def test_agents_learn_on_a_live_store_and_survive_its_restart(day, tmp_path):
    """The server goes away in the middle of training; once it is back, training goes on where it stood."""
    city, fast = build_city("paper"), find_config("fast")
    config = fast.model_copy(update={"amarl": fast.amarl.model_copy(update={"rollout": 48, "epochs": 1})})
    plan = AgentsPlan(config, 1, (city,), (day.name,), ("voip",), tmp_path)
    with EmbeddedServer() as server, RedisStore(server.url, "train", patience_s=0.2) as store:
        store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        trainer = TurnTaking(plan, StoreEnvironment(StoreDoor(store, city), city, day, patience_s=0.5), batch=4)
        trainer.prepare()
        while not trainer.agents[0].learner.n_updates:
            trainer.advance()
        steps = trainer.steps
        assert store.snapshot().version > 0
    with pytest.raises(StoreUnreachable, match="--resume"):
        trainer.advance()
    state = trainer.state_dict()
    with EmbeddedServer() as server, RedisStore(server.url, "train", patience_s=0.2) as store:
        store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        resumed = TurnTaking(plan, StoreEnvironment(StoreDoor(store, city), city, day, patience_s=0.5), batch=4)
        resumed.load_state_dict(state)
        resumed.prepare()
        resumed.advance()
        assert resumed.steps > steps
        assert resumed.facts()["carried_ratio"] > 0.5


def test_short_outage_is_sat_out(day, tmp_path):
    city, server, got = build_city("paper"), EmbeddedServer(tmp_path), []
    server.start()
    try:
        with RedisStore(server.url, "train", patience_s=0.2) as store:
            store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
            environment = StoreEnvironment(StoreDoor(store, city), city, day, patience_s=30.0)
            environment.prepare([VOIP])
            server.stop()
            asking = threading.Thread(target=lambda: got.append(environment.fetch(VOIP, 2).n))
            asking.start()
            server.start()  # here: it ends with the thread that starts it
            asking.join(60)
        assert got == [2]
    finally:
        server.stop()


def test_request_without_a_route_touches_no_store(day):
    city = build_city("paper")
    with EmbeddedServer() as server, RedisStore(server.url, "train", patience_s=0.2) as store:
        store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        environment = StoreEnvironment(StoreDoor(store, city), city, day)
        requests = environment.fetch(VOIP, 3)
        routes = no_routes(3)
        routes.status[:] = NO_ROOM
        verdict = environment.commit(VOIP, (0, requests.tickets), routes, final=True)
        assert verdict.status.tolist() == [REFUSED] * 3
        assert (verdict.version == requests.tickets[:, 3]).all()
        assert np.all(store.snapshot().used == 0)


def test_requests_that_time_has_passed_over_are_missed(day):
    city = build_city("paper")
    with EmbeddedServer() as server, RedisStore(server.url, "train", patience_s=0.2) as store:
        store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        environment = StoreEnvironment(StoreDoor(store, city), city, day)
        environment.fetch(VOIP, 1)
        store.advance(now_ms := 3_600_000)
        later = environment.fetch(VOIP, 1)
        assert later.request[0, 5] >= now_ms
        assert environment.missed > 0
