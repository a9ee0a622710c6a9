"""Requests between delivery and outcome: decided once, consistently, and never lost, whatever the agent or the RIC does."""

import time

import numpy as np
import pytest
import structlog

from ric_sim.domain.errors import OversizeMessage
from ric_sim.domain.flow import ANY_UPF, Cause, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.e2.codec import admission_cause, flow_to_proto
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.base import Plan
from ricity.e2.v1 import common_pb2, xapp_pb2
from tests.harness import route_on_empty_network
from xapps.sdk.insert_session import MAX_OVERTAKEN, InsertSession, SessionLimits
from xapps.sdk.metrics import XappMetrics

CITY = build_city("paper")
IOT = CITY.service_index["iot"]


def flow(number, **changes):
    fields = {
        "flow_id": f"flow-{number}",
        "service": IOT,
        "direction": Direction.UPLINK,
        "ru": 0,
        "upf": ANY_UPF,
        "bandwidth_kbps": 1000,
        "n_requests": 1,
        "arrival_ms": 0,
        "holding_ms": 1000,
    }
    return FlowRequest(**(fields | changes))


ROUTE = route_on_empty_network(CITY, flow(0))


class RecordingAgent:
    """Routes everything over one route and remembers how full its first link was."""

    def __init__(self):
        self.seen = []
        self.answer = Plan(ROUTE, Cause.NONE, 1)

    def decide(self, snapshot, flow):
        self.seen.append((flow.flow_id, snapshot.version, int(snapshot.used[ROUTE[0]])))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Session:
    """A session with its agent, and short ways to feed it."""

    def __init__(self, *, window=64, replans=1):
        self.agent = RecordingAgent()
        self.metrics = XappMetrics("routing-iot", "test")
        self.session = InsertSession(
            CITY, self.agent, SessionLimits(window, replans), metrics=self.metrics, log=structlog.get_logger()
        )

    def deliver(self, *flows, version=1, used=0, time_to_wait_ms=10_000):
        amounts = np.full(CITY.n_resources, used, dtype="<u4")
        self.session.on_inserts(
            xapp_pb2.InsertIndications(
                snapshot=common_pb2.StoreSnapshot(version=version, used=amounts.tobytes()),
                requests=[flow_to_proto(item, time_to_wait_ms=time_to_wait_ms) for item in flows],
            )
        )

    def outcome(self, number, status, *, snapshot=None, **fields):
        batch = xapp_pb2.ControlOutcomeBatch()
        batch.outcomes.add(flow_id=f"flow-{number}", status=status, **fields)
        if snapshot is not None:
            version, used = snapshot
            batch.snapshot.version = version
            batch.snapshot.used = np.full(CITY.n_resources, used, dtype="<u4").tobytes()
        self.session.on_outcomes(batch)

    def decide_all(self):
        controls = []
        while self.session.has_work:
            controls += self.session.decide_group()
        return controls


@pytest.fixture
def quiet():
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def session(quiet):
    return Session()


def _counted(child):
    return child._value.get()


def test_a_request_is_answered_by_a_route_planned_on_the_snapshot(session):
    session.deliver(flow(1), version=7)
    (control,) = session.decide_all()
    assert (control.flow_id, control.snapshot_version, tuple(control.route.links)) == ("flow-1", 7, ROUTE)


def test_decisions_of_one_batch_see_each_other(session):
    session.deliver(flow(1), flow(2), flow(3), used=5)
    session.decide_all()
    assert [used for _, _, used in session.agent.seen] == [5, 1005, 2005]


def test_the_next_batch_sees_what_is_not_committed_yet(session):
    session.deliver(flow(1), version=1)
    session.decide_all()
    session.deliver(flow(2), version=2)
    session.decide_all()
    assert session.agent.seen[-1] == ("flow-2", 2, 1000)


def test_a_rejected_request_reserves_nothing(session):
    session.agent.answer = Plan((), Cause.NO_ROUTE_CAPACITY, 0)
    session.deliver(flow(1), flow(2))
    first, second = session.decide_all()
    assert first.reject.admission == second.reject.admission == common_pb2.ADMISSION_CAUSE_NO_ROUTE_CAPACITY
    assert [used for _, _, used in session.agent.seen] == [0, 0]


def test_controls_leave_in_groups(session):
    session.deliver(*(flow(number) for number in range(48)))
    groups = [len(session.session.decide_group())]
    assert groups[0] <= SessionLimits(64, 1).group_decisions
    session.session.limits = SessionLimits(64, 1, group_decisions=3)
    while session.session.has_work:
        groups.append(len(session.session.decide_group()))
    assert sum(groups) == 48
    assert max(groups[1:]) <= 3


def test_fewer_replans_hold_for_what_is_under_way(session):
    session.deliver(flow(1))
    session.decide_all()
    session.session.limits = SessionLimits(64, 0)
    session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, snapshot=(9, 40), cause=admission_cause(Cause.LINK_CAPACITY))
    (control,) = session.decide_all()
    assert control.WhichOneof("decision") == "reject"


def test_an_aborted_commit_is_planned_again_on_the_fresh_snapshot(session):
    session.deliver(flow(1), version=1)
    session.decide_all()
    session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, snapshot=(9, 40), cause=admission_cause(Cause.LINK_CAPACITY))
    (control,) = session.decide_all()
    assert control.WhichOneof("decision") == "route"
    assert session.agent.seen == [("flow-1", 1, 0), ("flow-1", 9, 40)]
    session.outcome(1, xapp_pb2.CONTROL_STATUS_APPLIED, version=10)
    assert session.session.held == 0


def test_a_commit_aborted_once_too_often_is_rejected_with_its_cause(session):
    session.deliver(flow(1))
    session.decide_all()
    for _ in range(2):
        session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, snapshot=(9, 0), cause=admission_cause(Cause.COMPUTE_CAPACITY))
        (control,) = session.decide_all()
    assert control.reject.admission == common_pb2.ADMISSION_CAUSE_COMPUTE_CAPACITY
    assert len(session.agent.seen) == 2
    session.outcome(1, xapp_pb2.CONTROL_STATUS_REJECTED)
    assert session.session.held == 0


def _abort(session, *, planned_on, decided_at):
    """The commit planned on one version found another; the fresh snapshot is of the version it was decided at."""
    assert session.agent.seen[-1][1] == planned_on
    cause = admission_cause(Cause.LINK_CAPACITY)
    session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, version=decided_at, snapshot=(decided_at, 0), cause=cause)
    (control,) = session.decide_all()
    return control.WhichOneof("decision")


def test_a_replan_that_another_commit_overtook_is_repeated_and_counts_once(session):
    session.deliver(flow(1), version=1)
    session.decide_all()
    assert _abort(session, planned_on=1, decided_at=5) == "route"
    assert _abort(session, planned_on=5, decided_at=6) == "route"
    assert _abort(session, planned_on=6, decided_at=9) == "route"
    assert _abort(session, planned_on=9, decided_at=9) == "reject"


def test_a_request_that_is_overtaken_for_ever_is_given_up(session):
    session.deliver(flow(1), version=1)
    session.decide_all()
    decisions = [_abort(session, planned_on=version, decided_at=version + 1) for version in range(1, MAX_OVERTAKEN + 3)]
    assert decisions == ["route"] * (MAX_OVERTAKEN + 1) + ["reject"]


def test_without_replans_the_first_abort_is_the_last(quiet):
    session = Session(replans=0)
    session.deliver(flow(1))
    session.decide_all()
    session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, snapshot=(9, 0), cause=admission_cause(Cause.LATENCY_BUDGET))
    (control,) = session.decide_all()
    assert control.reject.admission == common_pb2.ADMISSION_CAUSE_LATENCY_BUDGET


def test_an_aborted_request_goes_before_those_that_wait(session):
    session.deliver(flow(1))
    session.decide_all()
    session.deliver(flow(2), flow(3))
    session.outcome(1, xapp_pb2.CONTROL_STATUS_ABORTED, snapshot=(9, 0), cause=admission_cause(Cause.LINK_CAPACITY))
    assert [control.flow_id for control in session.decide_all()] == ["flow-1", "flow-2", "flow-3"]


def test_an_agent_that_fails_costs_its_request_only(session):
    errors = _counted(session.metrics.decisions["error"])
    session.agent.answer = ZeroDivisionError("a slip")
    session.deliver(flow(1))
    (failed,) = session.decide_all()
    session.agent.answer = Plan(ROUTE, Cause.NONE, 1)
    session.deliver(flow(2))
    (fine,) = session.decide_all()
    assert failed.reject.admission == common_pb2.ADMISSION_CAUSE_AGENT_ERROR
    assert "a slip" in failed.reject.detail
    assert fine.WhichOneof("decision") == "route"
    assert _counted(session.metrics.decisions["error"]) == errors + 1


@pytest.mark.parametrize(
    "answer", [None, 7, Plan((), Cause.NONE, 0), Plan(ROUTE[:-1], Cause.NONE, 0), Plan((10**6,), Cause.NONE, 0)], ids=repr
)
def test_an_answer_that_is_no_route_of_the_flow_is_the_agents_error(session, answer):
    session.agent.answer = answer
    session.deliver(flow(1))
    (control,) = session.decide_all()
    assert control.reject.admission == common_pb2.ADMISSION_CAUSE_AGENT_ERROR
    session.agent.answer = Plan(ROUTE, Cause.NONE, 1)
    session.deliver(flow(2))
    session.decide_all()
    assert session.agent.seen[-1][2] == 0, "nothing may stay reserved"


def test_a_control_found_invalid_is_rejected_and_given_up(session):
    session.deliver(flow(1))
    session.decide_all()
    session.outcome(1, xapp_pb2.CONTROL_STATUS_INVALID, cause=common_pb2.Cause(detail="skips a stage"))
    (control,) = session.decide_all()
    assert control.reject.admission == common_pb2.ADMISSION_CAUSE_CONTROL_INVALID
    assert control.reject.detail == "skips a stage"
    session.outcome(1, xapp_pb2.CONTROL_STATUS_INVALID)
    assert session.session.held == 0
    assert not session.session.has_work


@pytest.mark.parametrize("status", [xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST, xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED])
def test_a_request_settled_elsewhere_is_forgotten(session, status):
    session.deliver(flow(1))
    session.decide_all()
    session.outcome(1, status)
    assert session.session.held == 0
    session.deliver(flow(2), version=1)
    session.decide_all()
    assert session.agent.seen[-1][2] == 0


def test_an_outcome_for_nobody_changes_nothing(session):
    session.outcome(99, xapp_pb2.CONTROL_STATUS_ABORTED)
    session.outcome(99, 42)
    assert not session.session.has_work


def test_a_request_delivered_twice_is_decided_once(session):
    session.deliver(flow(1))
    session.deliver(flow(1))
    assert len(session.decide_all()) == 1


def test_requests_beyond_the_window_are_rejected_at_once(quiet):
    session = Session(window=2)
    dropped = _counted(session.metrics.dropped["inserts"])
    session.deliver(flow(1), flow(2), flow(3))
    decisions = {control.flow_id: control.reject.admission for control in session.decide_all()}
    assert decisions == {"flow-1": 0, "flow-2": 0, "flow-3": common_pb2.ADMISSION_CAUSE_QUEUE_FULL}
    assert session.session.held == 2
    assert _counted(session.metrics.dropped["inserts"]) == dropped + 1


def test_requests_whose_time_to_wait_has_run_out_make_room_and_are_not_decided(quiet):
    session = Session(window=2)
    session.deliver(flow(1), flow(2), time_to_wait_ms=1)
    _pass_a_millisecond()
    session.deliver(flow(3))
    assert [control.flow_id for control in session.decide_all()] == ["flow-3"]
    assert session.session.held == 1


def test_an_expired_request_is_skipped_when_its_turn_comes(session):
    session.deliver(flow(1), time_to_wait_ms=1)
    session.deliver(flow(2))
    _pass_a_millisecond()
    assert [control.flow_id for control in session.decide_all()] == ["flow-2"]


def _pass_a_millisecond():
    end_s = time.monotonic() + 0.001
    while time.monotonic() <= end_s:
        pass


def test_a_request_that_cannot_be_is_rejected_and_the_others_decided(session):
    session.deliver(flow(1, service=77), flow(2))
    by_flow = {control.flow_id: control for control in session.decide_all()}
    assert by_flow["flow-1"].reject.admission == common_pb2.ADMISSION_CAUSE_AGENT_ERROR
    assert "service" in by_flow["flow-1"].reject.detail
    assert by_flow["flow-2"].WhichOneof("decision") == "route"


def test_a_snapshot_of_another_city_is_an_error_and_nothing_is_held(session):
    message = xapp_pb2.InsertIndications(requests=[flow_to_proto(flow(1))])
    message.snapshot.used = b"1234"
    with pytest.raises(OversizeMessage):
        session.session.on_inserts(message)
    assert session.session.held == 0


def ask_if_displacing(session, item, *, used):
    amounts = np.full(CITY.n_resources, used, dtype="<u4").tobytes()
    snapshot = common_pb2.StoreSnapshot(version=1, used=np.full(CITY.n_resources, 50, dtype="<u4").tobytes())
    session.session.on_inserts(
        xapp_pb2.InsertIndications(snapshot=snapshot, requests=[flow_to_proto(item)], used_if_displacing=amounts)
    )


def test_a_rejected_request_that_is_asked_again_is_planned_once_on_what_displacing_would_leave():
    session = Session()
    session.agent.answer = Plan((), Cause.NO_ROUTE_CAPACITY, 0)
    session.deliver(flow(0), used=50)
    (control,) = session.session.decide_group()
    assert control.WhichOneof("decision") == "reject"
    session.agent.answer = Plan(ROUTE, Cause.NONE, 1)
    ask_if_displacing(session, flow(0), used=7)
    (control,) = session.session.decide_group()
    assert tuple(control.route.links) == ROUTE
    session.outcome(0, xapp_pb2.CONTROL_STATUS_ABORTED, version=1)
    session.session.decide_group()
    assert [used for _, _, used in session.agent.seen] == [50, 7, 50]
    assert session.session.held == 1


def test_while_signals_are_kept_a_reject_names_what_the_flow_lacked():
    class Choosy(RecordingAgent):
        def decide(self, snapshot, flow):
            return Plan((), Cause.NO_ROUTE_CAPACITY, 0) if snapshot.used.any() else Plan(ROUTE, Cause.NONE, 1)

    session = Session()
    session.session._agent = Choosy()
    full = CITY.limits.astype("<u4").copy()
    full[: CITY.n_links] = 0
    full[ROUTE[1]] = CITY.limits[ROUTE[1]]
    for pressure in (b"", np.zeros(CITY.n_resources, dtype="<f4").tobytes()):
        snapshot = common_pb2.StoreSnapshot(version=1, used=full.tobytes(), pressure=pressure)
        number = 1 if pressure else 0
        session.session.on_inserts(xapp_pb2.InsertIndications(snapshot=snapshot, requests=[flow_to_proto(flow(number))]))
        (control,) = session.session.decide_group()
        assert control.WhichOneof("decision") == "reject"
        assert (ROUTE[1] in control.lacking_resources) == bool(pressure)
