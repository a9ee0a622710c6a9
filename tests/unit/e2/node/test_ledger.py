"""The ledger: exactly one final record per request, whatever arrives twice, late or for nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.flow import Cause
from ric_sim.e2.node.ledger import Ledger, Moment, Outcome, Settlement
from tests.unit.e2.node.two_sites import uniform_day

APPLIED = Settlement(Outcome.APPLIED, latency_us=4000, n_links=7, attempts=2, deliveries=1, instance="routing/1/a")
REJECTED = Settlement(Outcome.REJECTED, Cause.NO_ROUTE_CAPACITY, attempts=1, deliveries=3, instance="routing/1/b")
BY_RIC = Settlement(Outcome.DEFAULT, Cause.NO_SUBSCRIBER)
BY_NODE = Settlement(Outcome.DEFAULT, Cause.TIME_TO_WAIT_EXPIRED, by_node=True)
N = 6


def new_ledger() -> Ledger:
    return Ledger(uniform_day(N), n_services=2)


def test_a_record_holds_what_was_answered():
    ledger = new_ledger()
    ledger.raised(1, 0.5)
    ledger.sent(1, 0.75)
    assert ledger.settle(1, APPLIED, Moment(wall_s=1.0, emulated_ms=2345))
    row = {name: column[1].item() for name, column in vars(ledger).items() if isinstance(column, np.ndarray)}
    assert row == {
        "service": 1,
        "outcome": Outcome.APPLIED,
        "cause": Cause.NONE,
        "latency_us": 4000,
        "n_links": 7,
        "raised_us": 500_000,
        "sent_us": 750_000,
        "answered_us": 1_000_000,
        "answered_ms": 2345,
        "attempts": 2,
        "deliveries": 1,
        "resent": False,
        "by_node": False,
        "instance": 0,
    }
    assert ledger.decision_us().tolist() == [250_000]


def test_sending_again_keeps_the_first_time_and_marks_the_request():
    ledger = new_ledger()
    ledger.raised(0, 0.0)
    ledger.sent(0, 0.1)
    assert not ledger.resent[0]
    ledger.sent(0, 0.9)
    assert ledger.resent[0]
    assert ledger.sent_us[0] == 100_000


def test_defaults_have_no_decision_time():
    ledger = new_ledger()
    for index, settlement in enumerate((BY_RIC, BY_NODE, REJECTED)):
        ledger.raised(index, 0.0)
        ledger.sent(index, 0.0)
        ledger.settle(index, settlement, Moment(1.0, 0))
    assert len(ledger.decision_us()) == 1


@pytest.mark.parametrize("index", [-1, 3, N, 10**9])
def test_an_answer_for_nobody_is_counted(index):
    ledger = new_ledger()
    ledger.raised(0, 0.0)
    assert not ledger.settle(index, APPLIED, Moment(1.0, 0))
    assert (ledger.unknown, ledger.n_settled) == (1, 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, N), st.sampled_from([APPLIED, REJECTED, BY_RIC, BY_NODE])), max_size=40))
def test_every_request_has_at_most_one_record_and_every_answer_is_accounted_for(answers):
    ledger = new_ledger()
    raised = range(N - 2)
    for index in raised:
        ledger.raised(index, 0.0)
    first: dict[int, Settlement] = {}
    for index, settlement in answers:
        accepted = ledger.settle(index, settlement, Moment(1.0, 0))
        assert accepted == (index in raised and index not in first)
        if accepted:
            first[index] = settlement
    for index in range(N):
        expected = first[index].outcome if index in first else Outcome.PENDING
        assert ledger.outcome[index] == expected
    repeated = [index for index, _ in answers if index in raised]
    late = sum(first[index].by_node for index in repeated) - sum(settlement.by_node for settlement in first.values())
    assert ledger.late == late
    assert ledger.n_settled == len(first) == sum(ledger.settled_by_service)
    assert ledger.n_accepted == sum(s.outcome == Outcome.APPLIED for s in first.values()) == sum(ledger.accepted_by_service)
    assert ledger.n_settled + ledger.late + ledger.answered_twice + ledger.unknown == len(answers)


def test_what_is_saved_can_be_read_back(tmp_path):
    ledger = new_ledger()
    for index, settlement in enumerate((APPLIED, REJECTED, APPLIED)):
        ledger.raised(index, 0.0)
        ledger.settle(index, settlement, Moment(1.0, 0))
    path = tmp_path / "ledger.npz"
    ledger.save(path)
    with np.load(path, allow_pickle=False) as saved:
        assert saved["outcome"].tolist() == [1, 2, 1, 0, 0, 0]
        assert saved["instances"].tolist() == ["routing/1/a", "routing/1/b"]
        assert saved["instance"].tolist() == [0, 1, 0, -1, -1, -1]
        assert {len(saved[name]) for name in saved.files if name != "instances"} == {N}
    assert list(tmp_path.iterdir()) == [path]
