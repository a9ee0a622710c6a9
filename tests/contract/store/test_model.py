"""Any history of calls: the store on Redis and the model in memory answer alike and hold the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ric_sim.domain.reservation import CommitRequest
from ric_sim.store.audit import audit
from ric_sim.store.base import StoreLayout
from ric_sim.store.congestion import PERIOD_MS, Refusal
from ric_sim.store.memory_store import MemoryStore
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import BlockingAsyncStore, new_namespace

LAYOUT = StoreLayout(3, 2, np.array([10, 12, 5, 40, 15], dtype=np.uint32), "e1" * 32)

FLOW_IDS = st.sampled_from([f"flow-{i}" for i in range(40)])
TIMES_MS = st.integers(0, 60)
ENTRIES = st.dictionaries(st.integers(0, 4), st.integers(1, 7), min_size=1, max_size=4)
PRIORITIES = st.integers(0, 3)
HOSTS = st.lists(st.tuples(st.integers(3, 4), st.integers(0, 90_000), st.integers(1, 20)), max_size=3)

REFUSALS = st.builds(Refusal, service=st.integers(0, 1), resource=st.integers(0, 4))


@st.composite
def requests(draw):
    """Small enough that limits bind, ids repeat, and contents sometimes do too."""
    return CommitRequest(
        flow_id=draw(FLOW_IDS),
        service=draw(st.integers(0, 1)),
        expiry_ms=draw(st.just(1000) | TIMES_MS),
        budget_us=draw(st.just(10_000) | st.integers(0, 120)),
        propagation_us=draw(st.integers(0, 40)),
        entries=tuple(draw(ENTRIES).items()),
        hosts=tuple(draw(HOSTS)),
        route=tuple(draw(st.lists(st.integers(0, 2), max_size=3))),
        priority=draw(PRIORITIES),
        displaces=draw(st.integers(0, 3)) > 0,
    )


@st.composite
def contenders(draw):
    """Long-lived and few to a resource, so that those of high priority find it full."""
    return CommitRequest(
        flow_id=f"contender-{draw(st.integers(0, 200))}",
        service=0,
        expiry_ms=1000,
        budget_us=draw(st.sampled_from([30, 10_000])),
        propagation_us=0,
        entries=tuple(draw(st.dictionaries(st.sampled_from([0, 1, 4]), st.integers(1, 6), min_size=1)).items()),
        hosts=((4, draw(st.integers(0, 9000)), 1),),
        route=(),
        priority=draw(PRIORITIES),
        displaces=draw(st.integers(0, 3)) > 0,
    )


class StoreAndModel(RuleBasedStateMachine):
    """Two stores under the same calls."""

    def __init__(self, store):
        super().__init__()
        self.store, self.model = store, MemoryStore(congestion_signals=True)
        self.sent = []
        for either in (self.store, self.model):
            either.create(LAYOUT)

    @rule(batch=st.lists(requests(), max_size=5), now_ms=TIMES_MS)
    def commit(self, batch, now_ms):
        self.sent += batch
        assert self.store.commit(batch, now_ms=now_ms) == self.model.commit(batch, now_ms=now_ms)

    @rule(batch=st.lists(contenders(), min_size=3, max_size=8), now_ms=TIMES_MS)
    def contend(self, batch, now_ms):
        assert self.store.commit(batch, now_ms=now_ms) == self.model.commit(batch, now_ms=now_ms)

    @rule(data=st.data(), now_ms=TIMES_MS)
    def commit_again(self, data, now_ms):
        if self.sent:
            again = [data.draw(st.sampled_from(self.sent))]
            assert self.store.commit(again, now_ms=now_ms) == self.model.commit(again, now_ms=now_ms)

    @rule(flow_ids=st.lists(FLOW_IDS, max_size=4), now_ms=TIMES_MS)
    def release(self, flow_ids, now_ms):
        assert self.store.release(flow_ids, now_ms=now_ms) == self.model.release(flow_ids, now_ms=now_ms)

    @rule(now_ms=TIMES_MS)
    def advance(self, now_ms):
        assert self.store.advance(now_ms) == self.model.advance(now_ms)

    @rule(priority=PRIORITIES)
    def displaceable(self, priority):
        assert self.store.displaceable(priority).tolist() == self.model.displaceable(priority).tolist()

    @rule(refusals=st.lists(REFUSALS, max_size=3), now_ms=st.integers(0, 2 * PERIOD_MS))
    def publish_refusals(self, refusals, now_ms):
        for either in (self.store, self.model):
            either.publish_refusals(refusals, now_ms=now_ms)

    @rule(flow_id=FLOW_IDS)
    def lookup(self, flow_id):
        assert self.store.lookup(flow_id) == self.model.lookup(flow_id)

    @rule(after_version=st.integers(-1, 30))
    def changes(self, after_version):
        assert list(self.store.changes(after_version=after_version)) == list(self.model.changes(after_version=after_version))

    @invariant()
    def the_snapshots_are_equal(self):
        ours, model = self.store.snapshot(), self.model.snapshot()
        assert ours.pressure.tolist() == model.pressure.tolist()
        assert (ours.version, ours.now_ms, ours.used.tolist()) == (model.version, model.now_ms, model.used.tolist())
        assert np.all(ours.used <= LAYOUT.limits)

    def teardown(self):
        for either in (self.store, self.model):
            report = audit(either, LAYOUT)
            assert report.ok, report.violations
        self.store.drop()
        self.store.close()


@pytest.mark.parametrize(("kind", "histories"), [(RedisStore, 40), (BlockingAsyncStore, 10)])
def test_the_store_is_its_model(server, kind, histories):
    run_state_machine_as_test(
        lambda: StoreAndModel(kind(server.url, new_namespace(), congestion_signals=True)),
        settings=settings(max_examples=histories, stateful_step_count=25, deadline=None),
    )
