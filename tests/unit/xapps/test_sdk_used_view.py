"""The used amounts an agent plans on: the newest snapshot plus its own routes that it does not contain."""

import numpy as np
import pytest

from ric_sim.domain.errors import OversizeMessage
from ric_sim.domain.reservation import CommitRequest
from ricity.e2.v1.common_pb2 import StoreSnapshot
from xapps.sdk.used_view import UsedView


def _snapshot(version, *used):
    return StoreSnapshot(version=version, now_ms=10 * version, used=np.array(used, dtype="<u4").tobytes())


def _reservation(flow_id, *entries, expiry_ms=10**9):
    return CommitRequest(flow_id, 0, expiry_ms, 1, 1, entries=entries, hosts=(), route=(0,))


@pytest.fixture
def view():
    view = UsedView(3)
    view.refresh(_snapshot(5, 10, 20, 30))
    return view


def _used(view):
    return view.snapshot.used.tolist()


def test_a_snapshot_is_shown_as_it_came(view):
    assert (view.snapshot.version, view.snapshot.now_ms, _used(view)) == (5, 50, [10, 20, 30])
    assert view.snapshot.used.dtype == np.uint32


def test_an_agent_cannot_write_into_it(view):
    with pytest.raises(ValueError, match="read-only"):
        view.snapshot.used[0] = 1


def test_a_decided_route_counts_at_once(view):
    view.add(_reservation("a", (0, 7), (2, 1)))
    assert _used(view) == [17, 20, 31]


def test_a_route_stays_on_top_of_snapshots_that_lack_it(view):
    view.add(_reservation("a", (0, 7)))
    view.refresh(_snapshot(6, 11, 20, 30))
    assert _used(view) == [18, 20, 30]
    view.committed("a", 8)
    view.refresh(_snapshot(7, 12, 20, 30))
    assert _used(view) == [19, 20, 30]


def test_a_snapshot_that_contains_the_route_replaces_it(view):
    view.add(_reservation("a", (0, 7)))
    view.committed("a", 6)
    view.refresh(_snapshot(6, 17, 20, 30))
    assert _used(view) == [17, 20, 30]


def test_an_outcome_that_comes_after_its_snapshot_is_not_counted_twice(view):
    view.add(_reservation("a", (0, 7)))
    view.refresh(_snapshot(9, 17, 20, 30))
    assert _used(view) == [24, 20, 30]
    view.committed("a", 6)
    assert _used(view) == [17, 20, 30]


def test_a_route_of_a_flow_that_has_ended_is_not_counted(view):
    view.add(_reservation("a", (0, 7), expiry_ms=60))
    view.add(_reservation("b", (1, 5), expiry_ms=61))
    view.refresh(_snapshot(6, 10, 20, 30))
    assert view.snapshot.now_ms == 60
    assert _used(view) == [10, 25, 30]
    view.committed("a", 7)
    view.forget("a")
    assert _used(view) == [10, 25, 30]


def test_a_route_that_failed_is_taken_back(view):
    view.add(_reservation("a", (0, 7)))
    view.forget("a")
    view.forget("a")
    assert _used(view) == [10, 20, 30]


def test_a_second_plan_for_a_flow_replaces_the_first(view):
    view.add(_reservation("a", (0, 7)))
    view.add(_reservation("a", (1, 5)))
    assert _used(view) == [10, 25, 30]


def test_an_outcome_of_an_unknown_flow_changes_nothing(view):
    view.committed("nobody", 9)
    assert _used(view) == [10, 20, 30]


def test_a_sum_beyond_32_bits_comes_back_exactly(view):
    view.add(_reservation("a", (0, 2**32 - 1)))
    view.forget("a")
    assert _used(view) == [10, 20, 30]


@pytest.mark.parametrize("size", [0, 2, 4])
def test_a_snapshot_of_another_city_is_refused_and_changes_nothing(view, size):
    with pytest.raises(OversizeMessage, match="3 resources"):
        view.refresh(_snapshot(6, *range(size)))
    assert _used(view) == [10, 20, 30]
    assert view.snapshot.version == 5
