"""Requests cross the wire unchanged, also those of a service that shares the UPFs of another."""

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.service import Direction
from ric_sim.e2.codec import flow_from_proto, flow_to_proto
from ric_sim.network.scenario import load_scenario


@pytest.fixture(scope="module")
def seven():
    return load_scenario(profile="paper-7", day="test")


@pytest.mark.parametrize("service", range(7))
@pytest.mark.parametrize("direction", list(Direction))
def test_flows_of_every_service_and_chain(seven, service, direction):
    chosen = np.flatnonzero((seven.day.service == service) & (seven.day.direction == direction))[:20].tolist()
    assert bool(chosen) == (direction in seven.city.services[service].directions)
    for index in chosen:
        flow = seven.day.flow(index)
        assert flow_from_proto(seven.city, flow_to_proto(flow)) == flow


def test_a_upf_that_does_not_serve_the_service_is_refused(seven):
    index = int(np.flatnonzero((seven.day.service == 6) & (seven.day.direction == Direction.DOWNLINK))[0])
    request = flow_to_proto(seven.day.flow(index))
    request.upf = seven.city.node_names.index("upf-voip-0")
    with pytest.raises(OutOfRange, match="is not a UPF of surgery"):
        flow_from_proto(seven.city, request)
