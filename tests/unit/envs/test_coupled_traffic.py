from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.envs.coupled_traffic import TimeBins, admitted_traffic, in_progress, slice_of_service
from ric_sim.envs.evaluate import evaluate
from ric_sim.network.scenario import load_scenario
from ric_sim.radio.config import SLICES

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def scenario():
    return load_scenario(profile="smoke", day="test")


@pytest.fixture(scope="module")
def admitted(scenario):
    return admitted_traffic(scenario, "cspf", TimeBins())


def test_each_service_is_in_the_slice_of_its_s_nssai(scenario):
    named = {spec.key: SLICES[index] for spec, index in zip(scenario.city.services, slice_of_service(scenario.city), strict=True)}
    assert named["industry"] == "urllc"
    assert named["iot"] == "mmtc"
    assert {named[key] for key in ("ar", "gaming", "video", "voip")} == {"embb"}
    services = (replace(scenario.city.services[0], slice_class="mIoT+"), *scenario.city.services[1:])
    with pytest.raises(InvalidInput, match=r"miot\+.*slices embb"):
        slice_of_service(replace(scenario.city, services=services))


def test_flows_in_progress_by_hand(scenario):
    """Two flows of a smoke day, over bins that one fills by a half and the other not at all."""
    day, chosen = scenario.day, np.array([3, 8])
    begin_ms, holding_ms = int(day.arrival_ms[3]), int(day.holding_ms[3])
    edges_ms = np.array([begin_ms - holding_ms, begin_ms + holding_ms, begin_ms + 3 * holding_ms])
    weights = np.zeros(len(day))
    weights[3] = 10.0
    found = in_progress(day, chosen, (np.array([1, 0]), 2), weights, edges_ms)
    np.testing.assert_allclose(found, [[0.0, 5.0], [0.0, 0.0]])


def test_what_is_admitted_is_all_booked_at_one_o_du(scenario, admitted):
    """Time in progress, summed over O-DUs and slices, is that of the flows that an evaluation of the same day accepts."""
    evaluation = evaluate(scenario, "cspf")
    assert admitted.gos_ratio == evaluation.gos_ratio
    whole_day = admitted.bins.width_ms * admitted.rate_mbps.sum()
    requested = admitted.bins.width_ms * admitted.requested_mbps.sum()
    assert 0.8 * requested < whole_day < requested
    assert np.all(admitted.rate_mbps.sum(axis=1) <= admitted.requested_mbps + 1e-9)
    assert admitted.flows.shape == (48, 10, 3)


def test_the_scale_makes_a_day_that_is_carried_in_proportion_to_size_the_usual_load(admitted):
    even = admitted.nominal_mbps * admitted.size[:, None]
    usual = replace(admitted, rate_mbps=np.broadcast_to(even, admitted.rate_mbps.shape))
    np.testing.assert_allclose(usual.load, 1.0)
    assert admitted.size.mean() == pytest.approx(1.0)
    assert admitted.requested_mbps.mean(axis=0) == pytest.approx(admitted.nominal_mbps * len(admitted.size))


def test_a_window_ends_the_play_early_and_sees_what_began_before_it(scenario, admitted):
    """The first hour of the smoke day's traffic as a window of its own: the same numbers as in the whole day."""
    first = int(scenario.day.arrival_ms[0] // HOUR_MS)
    window = admitted_traffic(scenario, "cspf", TimeBins(first * HOUR_MS, (first + 1) * HOUR_MS))
    np.testing.assert_allclose(window.rate_mbps, admitted.rate_mbps[2 * first : 2 * first + 2])
    assert window.rate_mbps.any()


@pytest.mark.parametrize("window", [(5, 5, 1), (-1, 5, 1), (0, 10, 3), (0, 25 * HOUR_MS, HOUR_MS), (0, 10, 0)])
def test_windows_that_are_none(window):
    with pytest.raises(OutOfRange, match="whole bins"):
        TimeBins(*window)
