"""F16 and F18: what actions ask for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.radio.decoding import DECODINGS, Allocation, action_dim, decode, shared_out

NEED = np.array([40.0, 10.0, 30.0])


@pytest.mark.parametrize(
    ("action", "quota", "over_ratio"),
    [
        ((0.5, 0.2, 0.1), (50, 20, 10), 0.0),
        ((0.5, 0.3, 0.2), (50, 30, 20), 0.0),
        ((0.6, 0.6, 0.3), (40, 40, 20), 0.5),
        ((0.5, 0.5, 0.33), (38, 37, 25), 0.33),
        ((1.0, 1.0, 1.0), (34, 33, 33), 2.0),
        ((0.005, 0.0, 0.0), (1, 0, 0), 0.0),
        ((0.0, 0.0, 0.0), (0, 0, 0), 0.0),
    ],
)
def test_f16_shares_are_cut_by_largest_remainder_and_the_excess_is_told(action, quota, over_ratio):
    allocation = decode("share3", action, NEED)
    assert tuple(allocation.quota_rbs) == quota
    assert allocation.over_ratio == pytest.approx(over_ratio)
    assert allocation.beta.tolist() == [0.5, 0.5]


def test_share5_adds_the_exponents_of_the_schedulers():
    allocation = decode("share5", (0.5, 0.2, 0.1, 0.25, 1.0), NEED)
    assert allocation.quota_rbs.tolist() == [50, 20, 10]
    assert allocation.beta.tolist() == [0.25, 1.0]


def test_soft3_gives_the_whole_band_by_a_softmax():
    assert decode("soft3", (0.5, 0.5, 0.5), NEED).quota_rbs.tolist() == [34, 33, 33]
    # e^3 / (e^3 + 2) = 0.9094
    assert decode("soft3", (1.0, 0.5, 0.5), NEED).quota_rbs.tolist() == [91, 5, 4]
    assert decode("soft3", (1.0, 1.0, 1.0), NEED).over_ratio == 0.0


def test_resid5_starts_from_the_needs():
    # (42, 12, 32) / 86 of 100 is 48.84, 13.95, 37.21.
    assert decode("resid5", (0.5, 0.5, 0.5, 0.5, 0.5), NEED).quota_rbs.tolist() == [49, 14, 37]
    # e^2 times 42 against 12 and 32.
    assert decode("resid5", (1.0, 0.5, 0.5, 0.5, 0.5), NEED).quota_rbs.tolist() == [88, 3, 9]


def test_f18_two_bits_per_rb_name_its_slice():
    bits = np.zeros(200)
    bits[[0, 2, 3]] = 0.9
    bits[[101, 103]] = 0.51
    bits[104] = 0.5
    allocation = decode("twobit", bits, NEED)
    assert allocation.rb_slice[:5].tolist() == [0, 1, 0, 2, -1]
    assert allocation.quota_rbs.tolist() == [2, 1, 1]
    assert allocation.over_ratio == 0.0


@pytest.mark.parametrize("name", DECODINGS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sharp=st.booleans())
def test_no_action_asks_for_more_than_the_cell(name, seed, sharp):
    rng = np.random.default_rng(seed)
    action = rng.random((4, 6, action_dim(name)))
    action = np.round(action) if sharp else action
    allocation = decode(name, action, rng.exponential(40.0, (4, 6, 3)))
    total = allocation.quota_rbs.sum(axis=-1)
    assert allocation.quota_rbs.min() >= 0
    assert total.max() <= 100
    if name in ("soft3", "resid5"):
        assert total.min() == 100
    assert allocation.over_ratio.min() >= 0.0
    assert np.all(total[allocation.over_ratio > 0] == 100)


@settings(max_examples=50, deadline=None)
@given(weights=st.lists(st.integers(0, 500), min_size=3, max_size=3), n_rbs=st.integers(4, 300))
def test_integer_shares_are_exact(weights, n_rbs):
    quota = shared_out(np.array(weights), n_rbs)
    total = sum(weights)
    assert quota.sum() == (n_rbs if total else 0)
    assert all(abs(total * int(q) - w * n_rbs) < max(total, 1) for q, w in zip(quota, weights, strict=True))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.01, 1.01])
def test_an_action_outside_its_range_is_refused(wrong):
    with pytest.raises(OutOfRange, match="not in"):
        decode("resid5", (0.5, wrong, 0.5, 0.5, 0.5), NEED)


def test_other_misuse_is_refused():
    with pytest.raises(OutOfRange, match="shape"):
        decode("resid5", (0.5, 0.5, 0.5), NEED)
    with pytest.raises(OutOfRange, match="shape"):
        decode("share3", (0.5, 0.5, 0.5), NEED[:2])
    with pytest.raises(OutOfRange, match="needs"):
        decode("resid5", (0.5, 0.5, 0.5, 0.5, 0.5), (np.nan, 1.0, 1.0))
    with pytest.raises(UnknownKey, match="share5"):
        action_dim("share4")
    with pytest.raises(OutOfRange, match="0 or more"):
        Allocation.of_wanted([10, -1, 3], 100)
