import numpy as np
import pytest

from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.traffic import Day, selection, sorted_day


def three_flows(name: str = "d", *, bandwidth_kbps: tuple[int, int, int] = (10, 20, 30)) -> Day:
    return sorted_day(
        name,
        {
            "arrival_ms": [500, 100, 500],
            "holding_ms": [1, 2, 3],
            "service": [0, 3, 5],
            "direction": [1, 0, 0],
            "ru": [7, 8, 9],
            "upf": [316, -1, -1],
            "bandwidth_kbps": bandwidth_kbps,
            "n_requests": [1, 1, 1],
        },
    )


def test_flows_are_sorted_by_arrival_and_ties_keep_their_order() -> None:
    day = three_flows()
    assert day.arrival_ms.tolist() == [100, 500, 500]
    assert day.ru.tolist() == [8, 7, 9]
    assert day.end_ms.tolist() == [102, 501, 503]
    assert len(day) == 3


def test_flow_gives_the_row_as_a_request() -> None:
    assert three_flows("noon").flow(0) == FlowRequest(
        flow_id="noon-000000",
        service=3,
        direction=Direction.UPLINK,
        ru=8,
        upf=ANY_UPF,
        bandwidth_kbps=20,
        n_requests=1,
        arrival_ms=100,
        holding_ms=2,
    )


def test_digest_covers_name_and_every_column() -> None:
    assert three_flows().digest == three_flows().digest
    assert len({three_flows().digest, three_flows("e").digest, three_flows(bandwidth_kbps=(10, 20, 31)).digest}) == 3


def test_selection_keeps_the_chosen_flows_as_they_are() -> None:
    part = selection(three_flows(), "part", np.array([0, 2]))
    assert (part.name, part.ru.tolist(), part.bandwidth_kbps.tolist()) == ("part", [8, 9], [20, 30])


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        three_flows().arrival_ms[0] = 0
