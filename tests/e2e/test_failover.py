"""A failover to a replica that lacks what the primary had acknowledged: the RIC gives it back, in order, and goes on."""

from __future__ import annotations

import asyncio

import pytest

from ric_sim.network.generator import generate_day
from ric_sim.store.access import StoreAccess
from ric_sim.store.audit import audit
from ric_sim.store.redis_store import RedisStore
from ric_sim.telemetry import counter, gauge
from ricity.store.v1 import store_pb2
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.contract.ric.test_failover import commit_all
from tests.harness import channel_to, eventually
from tests.sentinel_system import PASSWORD, sentinel_system

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
REJOINED_WITHIN_S = 100.0


async def test_what_a_promoted_replica_lacks_is_given_back_before_anything_else_is_committed(tmp_path):
    (tmp_path / "password").write_text(PASSWORD)
    replicated, lost = gauge("ricity_ric_replica_attached")._value, counter("ricity_ric_lost_commits_total")._value
    n_lost = lost.get()
    with sentinel_system(tmp_path / "system") as system:
        primary, replica = system.servers
        access = StoreAccess(system.url, tmp_path / "password")
        settings = RicSettings(grpc_port=0, status_port=0, store_url=system.url, store_password_file=access.password_file)
        async with running_ric(settings) as ric, channel_to(ric) as channel:
            day = generate_day(ric.city, "test")
            flows = [day.flow(i) for i in range(1000)]
            decided: dict[str, int] = {}
            await commit_all(ric, channel, flows[:10], decided)
            n = await commit_until_replicated(ric, channel, flows, 10, decided)
            with (
                replica.stopped()
            ):  # these are acknowledged when the wait for a replica has run out, and are on the primary alone
                await commit_all(ric, channel, flows[n : n + 5], decided)
                assert replicated.get() == 0
                await asyncio.to_thread(primary.kill)
            await commit_all(ric, channel, flows[n + 5 : n + 10], decided)
            assert system.primary() is replica
            assert (ric.gate.times_went_back, lost.get()) == (1, n_lost)
            with RedisStore(access, "city") as store:
                committed = [flow_id for flow_id, status in decided.items() if status == store_pb2.COMMIT_STATUS_COMMITTED]
                assert [change.flow_id for change in store.changes() if change.flow_id] == committed
                audit(store).raise_if_failed()
            primary.start()  # comes back as a replica of the other one
            await eventually(lambda: system.replicas_of(replica) == 1, within_s=REJOINED_WITHIN_S)
            await commit_until_replicated(ric, channel, flows, n + 10, decided)


async def commit_until_replicated(ric, channel, flows, first, decided):
    """Commits from a flow on until a replica has the last of them in time; the number of the next flow.

    One that has just come back, or stood still, is a replica again once it has what it missed.
    """
    async with asyncio.timeout(REJOINED_WITHIN_S):
        for number in range(first, len(flows)):
            if gauge("ricity_ric_replica_attached")._value.get() == 1:
                return number
            await commit_all(ric, channel, flows[number : number + 1], decided)
    raise AssertionError("no replica, for all that was committed")
