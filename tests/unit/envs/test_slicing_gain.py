import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.slicing_gain import gain_percent


@pytest.mark.parametrize(
    ("slice_name", "value", "reference", "gain"),
    [("embb", 12.0, 10.0, 20.0), ("mmtc", 7.5, 10.0, -25.0), ("urllc", 1.5, 2.0, 25.0), ("urllc", 2.5, 2.0, -25.0)],
)
def test_gains_count_upwards_for_rates_and_downwards_for_latency(slice_name, value, reference, gain):
    """Case L06."""
    assert gain_percent(slice_name, value, reference) == pytest.approx(gain)


@pytest.mark.parametrize(
    ("slice_name", "value", "reference"), [("voip", 1.0, 1.0), ("embb", 1.0, 0.0), ("embb", float("nan"), 1.0)]
)
def test_gains_over_nothing_are_refused(slice_name, value, reference):
    with pytest.raises(OutOfRange, match="expected"):
        gain_percent(slice_name, value, reference)
