from dataclasses import replace

import numpy as np

from ric_sim.domain.reservation import Change, ChangeKind
from ric_sim.e2.node.ledger import Outcome
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from ric_sim.store.codec import Counters
from services.cli.local.examine import aborts_by_cause, disagreements, displacements

DAY = selection(load_scenario(profile="smoke", day="test").day, "test", np.arange(4))


def change(kind: ChangeKind, index: int) -> Change:
    return Change(0, kind, 0, DAY.flow_id(index), 0, 0, 0, (), ())


def test_log_and_ledger_agree(make_ledger):
    ledger = make_ledger(service=[0] * 4, outcome=[Outcome.APPLIED, Outcome.REJECTED, Outcome.DEFAULT, Outcome.APPLIED])
    log = [change(ChangeKind.COMMIT, index) for index in (0, 2, 3)]
    log += [change(ChangeKind.RELEASE, 2), change(ChangeKind.EXPIRE, 0)]
    assert disagreements(log, DAY, ledger) == (0, 0)


def test_what_either_side_has_alone_is_counted(make_ledger):
    ledger = make_ledger(service=[0] * 4, outcome=[Outcome.APPLIED, Outcome.REJECTED, Outcome.APPLIED, Outcome.APPLIED])
    log = [
        change(ChangeKind.COMMIT, 1),
        change(ChangeKind.COMMIT, 2),
        change(ChangeKind.RELEASE, 2),
        change(ChangeKind.COMMIT, 3),
    ]
    assert disagreements(log, DAY, ledger) == (2, 1)


def test_displaced_flows_are_compared_with_those_the_nodes_were_told_of(make_ledger):
    ledger = make_ledger(service=[0] * 4, outcome=[Outcome.APPLIED, Outcome.APPLIED, Outcome.DEFAULT, Outcome.APPLIED])
    log = [change(ChangeKind.COMMIT, index) for index in range(4)] + [change(ChangeKind.PREEMPT, index) for index in (0, 1, 2)]
    assert disagreements(log, DAY, ledger) == (0, 0)
    assert displacements(log, DAY, ledger) == (3, 2)
    told = replace(ledger, displaced=np.array([True, False, False, True]))
    assert displacements(log, DAY, told) == (3, 2)
    agreeing = replace(ledger, displaced=np.array([True, True, False, False]))
    assert displacements(log, DAY, agreeing) == (3, 0)


def test_aborts_are_named_by_their_cause():
    counters = Counters(*range(1, len(Counters._fields) + 1))
    assert aborts_by_cause(counters) == {"link_capacity": 4, "compute_capacity": 5, "latency_budget": 6}
