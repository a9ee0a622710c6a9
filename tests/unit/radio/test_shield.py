"""The shield: always safe, untouched where safe, and nothing safe is nearer."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import PolicyRatioRefused
from ric_sim.radio.shield import OPEN_RATIOS, URLLC, PolicyRatio, Shield, ShieldLimits, check_ratios, nearest

AMPLE = (1000.0, 1000.0, 1000.0)
"""Needs that every slice has more of than the cell has RBs."""


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


@st.composite
def ratios(draw):
    """Three that keep their rules."""
    minima = sorted(draw(st.lists(st.integers(0, 100), min_size=2, max_size=2)))
    minima = [minima[0], minima[1] - minima[0], draw(st.integers(0, 100 - minima[1]))]
    return tuple(
        PolicyRatio(draw(st.integers(0, minimum)), minimum, draw(st.integers(max(minimum, 20), 100))) for minimum in minima
    )


@st.composite
def limits(draw, n_rbs):
    chosen = draw(st.one_of(st.just(OPEN_RATIOS), ratios()))
    room = n_rbs - sum(ratio.minimum * n_rbs // 100 for ratio in chosen[:URLLC])
    return ShieldLimits(
        n_rbs,
        urllc_minimum_rbs=draw(st.integers(0, min(room, chosen[URLLC].maximum * n_rbs // 100))),
        most_change_rbs=draw(st.integers(1, n_rbs)),
        ratios=chosen,
    )


WANTED = st.tuples(*[st.integers(0, 250)] * 3)
NEEDS = st.tuples(*[st.floats(0, 200)] * 3)


def is_hard_safe(quotas, bounds, needs):
    lo, hi = bounds.hard_bounds(needs)
    return sum(quotas) <= bounds.n_rbs and all(a <= q <= b for a, q, b in zip(lo, quotas, hi, strict=True))


@settings(max_examples=300, deadline=None)
@given(limits(100), st.lists(st.tuples(WANTED, NEEDS), min_size=1, max_size=6))
def test_what_comes_out_is_safe_and_a_safe_wish_is_untouched(bounds, frames):
    shield, former = Shield(bounds), None
    for wanted, needs in frames:
        quotas, broken = shield.guard(wanted, needs)
        assert is_hard_safe(quotas, bounds, needs)
        changes = [abs(q - f) for q, f in zip(quotas, former, strict=True)] if former else [0]
        asked = [abs(w - f) for w, f in zip(wanted, former, strict=True)] if former else [0]
        if is_hard_safe(wanted, bounds, needs) and max(asked) <= bounds.most_change_rbs:
            assert (quotas, broken) == (wanted, None)
        if broken is None:
            assert quotas == wanted
            assert max(changes) <= bounds.most_change_rbs or not is_hard_safe(former, bounds, needs)
        if former and is_hard_safe(former, bounds, needs):
            assert max(changes) <= bounds.most_change_rbs, "whoever is safe may stay: the rate never has to give way"
        former = quotas


SMALL = st.tuples(*[st.tuples(st.integers(0, 8), st.integers(0, 8))] * 3)


@settings(max_examples=300, deadline=None)
@given(st.tuples(*[st.integers(0, 14)] * 3), SMALL, st.integers(0, 14))
def test_nothing_feasible_is_nearer(wanted, sides, spare):
    lo, hi = [min(side) for side in sides], [max(side) for side in sides]
    capacity = sum(lo) + spare
    found = nearest(wanted, lo, hi, capacity)
    boxes = itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))
    feasible = [point for point in boxes if sum(point) <= capacity]
    assert found in feasible
    assert distance(found, wanted) == min(distance(point, wanted) for point in feasible)


@settings(max_examples=60, deadline=None)
@given(
    limits(10), st.tuples(*[st.integers(0, 14)] * 3), st.tuples(*[st.integers(0, 14)] * 3), st.tuples(*[st.integers(0, 12)] * 3)
)
def test_with_all_limits_together_nothing_safe_is_nearer(bounds, first, wanted, needs):
    shield = Shield(bounds)
    former, _ = shield.guard(first, needs)
    quotas, _ = shield.guard(wanted, needs)
    lo, hi = bounds.hard_bounds(needs)
    change = bounds.most_change_rbs
    safe = [
        point
        for point in itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))
        if sum(point) <= bounds.n_rbs and all(abs(p - f) <= change for p, f in zip(point, former, strict=True))
    ]
    assert distance(quotas, wanted) == min(distance(point, wanted) for point in safe)


@pytest.mark.parametrize(
    ("wanted", "change", "expected", "broken"),
    [
        ((50, 30, 20), {}, (50, 30, 20), None),
        ((60, 60, 60), {}, (33, 33, 34), "capacity"),
        ((90, 10, 0), {"urllc_minimum_rbs": 4}, (88, 8, 4), "urllc_minimum"),
        ((0, 0, 0), {"ratios": (PolicyRatio(10, 20), PolicyRatio(), PolicyRatio())}, (20, 0, 0), "policy_ratio"),
        ((90, 5, 5), {"ratios": (PolicyRatio(maximum=60), PolicyRatio(), PolicyRatio())}, (60, 5, 5), "policy_ratio"),
    ],
)
def test_a_broken_limit_is_named(wanted, change, expected, broken):
    assert Shield(ShieldLimits(100, **change)).guard(wanted, AMPLE) == (expected, broken)


def test_a_jump_is_cut_to_the_rate_of_change():
    shield = Shield(ShieldLimits(100, most_change_rbs=10))
    assert shield.guard((50, 30, 20), AMPLE).broken is None
    assert shield.guard((20, 30, 50), AMPLE) == ((40, 30, 30), "rate")
    assert shield.guard((20, 30, 50), AMPLE) == ((30, 30, 40), "rate")


def test_the_rate_gives_way_to_a_minimum_that_is_suddenly_needed_and_no_further():
    shield = Shield(ShieldLimits(100, urllc_minimum_rbs=30, most_change_rbs=5))
    shield.guard((60, 40, 0), (60, 40, 0))
    quotas, _ = shield.guard((60, 40, 0), AMPLE)
    assert quotas == (45, 25, 30), "15 each is the least change that makes room for 30"


def test_a_minimum_that_is_not_needed_takes_nothing_from_others():
    bounds = ShieldLimits(100, urllc_minimum_rbs=20, ratios=(PolicyRatio(0, 50), PolicyRatio(), PolicyRatio()))
    assert Shield(bounds).guard((3, 97, 0), (2.5, 200.0, 0.0)) == ((3, 97, 0), None)


def test_what_is_dedicated_is_kept_even_if_it_is_not_needed():
    bounds = ShieldLimits(100, ratios=(PolicyRatio(10, 50), PolicyRatio(), PolicyRatio()))
    assert Shield(bounds).guard((0, 50, 50), (0.0, 200.0, 200.0)) == ((10, 45, 45), "policy_ratio")


@pytest.mark.parametrize(
    "ratio",
    [PolicyRatio(30, 20, 100), PolicyRatio(0, 60, 50), PolicyRatio(0, 0, 101), PolicyRatio(-1, 0, 100)],
)
def test_ratios_out_of_order_are_refused(ratio):
    with pytest.raises(PolicyRatioRefused, match=r"dedicated <= min <= max <= 100"):
        check_ratios((PolicyRatio(), ratio, PolicyRatio()))


def test_minima_beyond_the_cell_are_refused_and_maxima_may_overbook():
    check_ratios((PolicyRatio(0, 50, 100), PolicyRatio(0, 50, 100), PolicyRatio(0, 0, 100)))
    with pytest.raises(PolicyRatioRefused, match="add up to 101 %"):
        check_ratios((PolicyRatio(0, 50, 100), PolicyRatio(0, 50, 100), PolicyRatio(0, 1, 100)))


def test_ratios_must_leave_urllc_its_minimum():
    with pytest.raises(PolicyRatioRefused, match="leave URLLC 5 of 100 RBs"):
        ShieldLimits(100, urllc_minimum_rbs=6, ratios=(PolicyRatio(0, 95), PolicyRatio(), PolicyRatio()))
