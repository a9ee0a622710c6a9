import pytest

from ric_sim.domain.errors import InvalidInput, UnknownKey
from ric_sim.e2.conflict_couplings import RATIO_COUPLINGS, SliceHolder, SliceRatio, holders_in, ratios_in, settings_of
from ric_sim.store.conflicts import Holding


def test_what_helps_a_slice_hurts_the_others():
    assert dict(RATIO_COUPLINGS["urllc.min"]) == {
        "DRB.UEThpDl.embb": -1,
        "DRB.UEThpDl.mmtc": -1,
        "DRB.RlcSduDelayDl.urllc": -1,
    }
    assert dict(RATIO_COUPLINGS["embb.dedicated"])["DRB.RlcSduDelayDl.urllc"] == 1


def test_ratios_become_parameters_and_come_back():
    settings = settings_of([SliceRatio("urllc", 5, 10, 90)])
    assert [(s.name, s.value, s.initial) for s in settings] == [
        ("urllc.dedicated", 5, 0),
        ("urllc.min", 10, 0),
        ("urllc.max", 90, 100),
    ]
    assert settings[1].effects == RATIO_COUPLINGS["urllc.min"]
    assert settings[2].effects == ()
    assert ratios_in({s.name: s.value for s in settings}) == [
        SliceRatio("embb", 0, 0, 100),
        SliceRatio("mmtc", 0, 0, 100),
        SliceRatio("urllc", 5, 10, 90),
    ]


def test_who_set_several_ratios_of_a_slice_is_named_once_with_the_latest_time():
    holdings = {
        "urllc.min": Holding("one", 0, 200),
        "embb.min": Holding("two", 5, 300),
        "embb.max": Holding("one", 0, 100),
        "embb.dedicated": Holding("two", 5, 400),
    }
    assert holders_in(holdings) == [
        SliceHolder("embb", "one", 0, 100),
        SliceHolder("embb", "two", 5, 400),
        SliceHolder("urllc", "one", 0, 200),
    ]


def test_other_couplings_can_be_declared():
    (_, minimum, _) = settings_of([SliceRatio("embb", 0, 10, 90)], {"embb.min": (("EnergyPerBit", 1),)})
    assert minimum.effects == (("EnergyPerBit", 1),)


@pytest.mark.parametrize(("slices", "error"), [([], InvalidInput), (["embb", "embb"], InvalidInput), (["video"], UnknownKey)])
def test_slices_are_those_there_are_each_once(slices, error):
    with pytest.raises(error):
        settings_of([SliceRatio(key, 0, 0, 100) for key in slices])
