"""Measurements from what a node carried: known answers, units, and no value apart from zero."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import UnsupportedMeasurement
from ric_sim.e2.kpm import CATALOGUE, NodeCapacity, NodeValue, PeriodLoad, check_supported, measure, whole_percent

UL, DL = 0, 1
SECOND = 1000


def load(*, carried=((0, 0), (0, 0)), users=((0, 0), (0, 0)), compute=((0, 0), (0, 0)), radio=((0, 0), (0, 0))) -> PeriodLoad:
    """Two slices; rates that held over a whole period of one second, per direction (uplink, downlink)."""
    integrals = (np.array(rates, np.int64) * SECOND for rates in (carried, users, compute, radio))
    return PeriodLoad(SECOND, *integrals)


CAPACITY = NodeCapacity(radio_kbps=(1_000_000, 2_000_000), nominal_ucores=10_000_000)


@pytest.mark.parametrize(
    ("name", "given_load", "expected"),
    [
        ("RRU.PrbTotUl", load(radio=((250_000, 9), (50_000, 9))), NodeValue(30.0, (25.0, 5.0))),
        ("RRU.PrbTotDl", load(radio=((9, 500_000), (9, 0))), NodeValue(25.0, (25.0, 0.0))),
        ("DRB.UEThpDl", load(carried=((7, 4000), (7, 600)), users=((7, 40), (7, 10))), NodeValue(92.0, (100.0, 60.0))),
        ("DRB.UEThpUl", load(carried=((300, 7), (0, 7)), users=((30, 7), (0, 7))), NodeValue(10.0, (10.0, None))),
        ("DRB.PdcpSduVolumeDL", load(carried=((7, 4000), (7, 600))), NodeValue(4600.0, (4000.0, 600.0))),
        ("DRB.PdcpSduVolumeUL", load(carried=((300, 7), (0, 7))), NodeValue(300.0, (300.0, 0.0))),
        ("RRC.ConnMean", load(users=((1, 2), (0, 4))), NodeValue(7.0, (3.0, 4.0))),
        ("VR.VCpuUsageMean", load(compute=((1_000_000, 500_000), (0, 250_000))), NodeValue(17.5, (15.0, 2.5))),
    ],
)
def test_known_answers(name, given_load, expected):
    assert measure(name, given_load, CAPACITY) == expected


@pytest.mark.parametrize("name", [spec.name for spec in CATALOGUE])
def test_an_idle_node_measures_zero_except_where_there_is_nothing_to_measure(name):
    value = measure(name, load(), CAPACITY)
    expected = None if name.startswith("DRB.UEThp") else 0.0
    assert value == NodeValue(expected, (expected, expected))


@pytest.mark.parametrize("name", ["RRU.PrbTotDl", "RRU.PrbTotUl", "VR.VCpuUsageMean"])
def test_a_share_of_nothing_has_no_value(name):
    nothing = NodeCapacity(radio_kbps=(0, 0), nominal_ucores=0)
    assert measure(name, load(), nothing) == NodeValue(None, (None, None))


def test_half_a_period_halves_the_mean_and_the_volume():
    half = PeriodLoad(2 * SECOND, *(np.array(((0, 4000), (0, 0)), np.int64) * SECOND for _ in range(4)))
    assert measure("RRC.ConnMean", half, CAPACITY).node == 2000.0
    assert measure("DRB.PdcpSduVolumeDL", half, CAPACITY).node == 4000.0


def test_an_unknown_name_is_refused_with_the_supported_ones():
    with pytest.raises(
        UnsupportedMeasurement, match=r"'DRB\.Nope' is not supported; supported: RRU\.PrbTotDl, .*VR\.VCpuUsageMean"
    ):
        check_supported(["RRC.ConnMean", "DRB.Nope"])
    with pytest.raises(UnsupportedMeasurement):
        measure("DRB.Nope", load(), CAPACITY)


def test_the_catalogue_says_unit_range_and_meaning():
    assert len({spec.name for spec in CATALOGUE}) == len(CATALOGUE) == 8
    for spec in CATALOGUE:
        assert spec.unit in {"%", "kbit/s", "kbit", "count"}
        assert spec.maximum == (100.0 if spec.unit == "%" else 0.0)
        assert spec.meaning.endswith(".")


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(1, 10**12))
def test_whole_percents_add_up_and_stay_close(parts, whole):
    total, shares = whole_percent(parts, whole)
    assert sum(shares) == total
    assert abs(total - Fraction(100 * sum(parts), whole)) <= Fraction(1, 2)
    assert all(abs(share - Fraction(100 * part, whole)) < 1 for share, part in zip(shares, parts, strict=True))


amounts = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=2, max_size=2)


@settings(deadline=None)
@given(amounts, amounts, amounts, amounts)
def test_slices_add_up_to_the_node(carried, users, compute, radio):
    some_load = load(carried=carried, users=users, compute=compute, radio=radio)
    for spec in CATALOGUE:
        if not spec.name.startswith("DRB.UEThp"):
            value = measure(spec.name, some_load, CAPACITY)
            assert value.node == pytest.approx(sum(value.slices), rel=1e-12, abs=1e-12)
