"""Guaranteed throughput as minimum ratios, and ratios of xApps beneath it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ric_sim.domain.errors import OutOfRange
from ric_sim.e2.conflict_couplings import SliceRatio
from ric_sim.e2.slice_guarantees import Capacity, Guarantee, guarantee_of, guaranteed_minima, with_guarantees
from ric_sim.radio.config import SLICES
from ric_sim.radio.shield import PolicyRatio, check_ratios
from ricity.a1.v1 import policy_pb2

CELLS = Capacity(("du_0", "du_1"), n_rbs=100, rb_kbps=200, urllc_percent=5)
PERCENT_KBPS = 400


def guarantee(radio_slice, percent, sd="000001"):
    return Guarantee(f"1-{sd}", radio_slice, percent * PERCENT_KBPS)


@pytest.mark.parametrize(("sst", "radio_slice"), [(1, "embb"), (2, "urllc"), (3, "mmtc")])
def test_slices_by_their_standardised_type(sst, radio_slice):
    policy = policy_pb2.Policy(scope=policy_pb2.Scope(slice=f"{sst}-00000a"), guarantee=policy_pb2.SliceGuarantee(dl_kbps=7))
    assert guarantee_of(policy) == Guarantee(f"{sst}-00000a", radio_slice, 7)


@pytest.mark.parametrize("scope", [{"slice": "4-000001"}, {"slice": ""}, {"slice": "1-000001", "service_keys": ["video"]}])
def test_scopes_that_are_no_slice_of_the_radio_network(scope):
    assert guarantee_of(policy_pb2.Policy(scope=policy_pb2.Scope(**scope))) is None


def test_guarantees_of_one_type_add_up_and_are_rounded_up_once():
    half = Guarantee("1-000001", "embb", PERCENT_KBPS // 2)
    others = [("a", half), ("b", Guarantee("1-000002", "embb", PERCENT_KBPS // 2 + 1)), ("c", guarantee("mmtc", 10))]
    assert guaranteed_minima(others, CELLS) == ({"embb": 2, "mmtc": 10}, frozenset())


def test_one_that_leaves_no_room_is_unmet_and_those_after_it_are_served():
    wanted = [
        ("a", guarantee("embb", 60)),
        ("b", guarantee("mmtc", 36)),
        ("c", guarantee("mmtc", 35)),
        ("d", guarantee("urllc", 6)),
    ]
    assert guaranteed_minima(wanted, CELLS) == ({"embb": 60, "mmtc": 35}, frozenset({"b", "d"}))
    assert guaranteed_minima([("huge", Guarantee("1-1", "embb", 2**53))], CELLS) == ({}, frozenset({"huge"}))


@pytest.mark.parametrize("sizes", [((), 100, 200), (("du_0",), 0, 200), (("du_0",), 100, 0)])
def test_networks_without_anything(sizes):
    with pytest.raises(OutOfRange, match="one or more"):
        Capacity(*sizes)


def test_without_a_guarantee_nothing_changes():
    ratios = [SliceRatio("embb", 50, 99, 100), SliceRatio("mmtc", 0, 0, 0), SliceRatio("urllc", 0, 0, 100)]
    assert with_guarantees(ratios, {}, CELLS) == ratios


@st.composite
def sound_ratios(draw):
    left, ratios = 100, []
    for key in SLICES:
        minimum = draw(st.integers(0, left))
        left -= minimum
        ratios.append(SliceRatio(key, draw(st.integers(0, minimum)), minimum, draw(st.integers(minimum, 100))))
    return ratios


@given(sound_ratios(), st.integers(1, 95), st.integers(0, 95))
def test_whatever_xapps_have_set_guarantees_hold_and_ratios_stay_sound(ratios, embb, mmtc):
    wanted = [("a", guarantee("embb", embb)), ("b", guarantee("mmtc", mmtc))]
    minima, _ = guaranteed_minima(wanted, CELLS)
    told = with_guarantees(ratios, minima, CELLS)
    check_ratios([PolicyRatio(ratio.dedicated, ratio.minimum, ratio.maximum) for ratio in told])
    by_slice = {ratio.slice: ratio for ratio in told}
    assert all(by_slice[key].minimum >= percent for key, percent in minima.items())
    assert sum(by_slice[key].minimum for key in ("embb", "mmtc")) <= 95
    assert all(after.maximum >= before.maximum for before, after in zip(ratios, told, strict=True))
