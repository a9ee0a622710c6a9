from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import MalformedFile
from ric_sim.network.city import City
from ric_sim.network.flow_file import HEADER, flows_from_csv, flows_to_csv, load_flows, save_flows
from ric_sim.network.traffic import COLUMNS, Day

HEAD = ",".join(HEADER)
DOWN = "0.5,60,ar,downlink,ru-a,upf-ar-0,100000,1"
UP = "12.034,1.001,iot,uplink,ru-b,any,15000,10"


def csv_of(*lines: str) -> bytes:
    return "\n".join((HEAD, *lines, "")).encode()


def test_round_trip_keeps_every_flow(city: City, paper_test_day: Day, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    save_flows(paper_test_day, city, path)
    loaded = load_flows(path, city)
    assert loaded.digest == paper_test_day.digest
    assert flows_to_csv(loaded, city) == path.read_bytes()


def test_values_of_a_line(small_city: City) -> None:
    day = flows_from_csv(csv_of(DOWN, UP), small_city, name="two")
    rows = [tuple(int(getattr(day, column)[i]) for column in COLUMNS) for i in range(2)]
    index = small_city.node_names.index
    assert rows == [
        (500, 60_000, 0, 1, index("ru-a"), index("upf-ar-0"), 100_000, 1),
        (12_034, 1_001, 1, 0, index("ru-b"), -1, 15_000, 10),
    ]


def test_lines_in_any_order_are_sorted_and_ties_keep_theirs(small_city: City) -> None:
    late, early, tie = UP.replace("12.034", "9"), UP.replace("12.034", "2"), UP.replace("12.034", "9.000").replace("ru-b", "ru-a")
    day = flows_from_csv(csv_of(late, early, tie), small_city, name="d")
    assert day.arrival_ms.tolist() == [2_000, 9_000, 9_000]
    assert [small_city.node_names[ru] for ru in day.ru] == ["ru-b", "ru-b", "ru-a"]


def test_columns_in_any_order_blank_lines_and_windows_line_ends(small_city: City) -> None:
    lines = [",".join(reversed(line.split(","))) for line in (HEAD, DOWN, UP)]
    content = "\ufeff" + "\r\n\r\n".join(lines)
    day = flows_from_csv(content.encode(), small_city, name="d")
    assert day.digest == flows_from_csv(csv_of(DOWN, UP), small_city, name="d").digest


def test_day_is_named_after_the_file(small_city: City, tmp_path: Path) -> None:
    path = tmp_path / "my day (1).csv"
    path.write_bytes(csv_of(DOWN))
    day = load_flows(path, small_city)
    assert (day.name, day.flow_id(0)) == ("my-day--1-", "my-day--1--000000")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (DOWN.replace("ar,", "arr,"), r"line 3, column service: expected a service \(ar, iot\), got 'arr', did you mean 'ar'"),
        (DOWN.replace("downlink", "uplink"), r"line 3, column direction: expected a direction of ar \(downlink\), got 'uplink'"),
        (DOWN.replace("ru-a", "ru-c"), r"line 3, column ru: expected an O-RU \(ru-a, ru-b\), got 'ru-c'"),
        (DOWN.replace("ru-a", "du-0"), r"line 3, column ru: expected an O-RU"),
        (DOWN.replace("upf-ar-0", "any"), r"line 3, column upf: expected a UPF of ar \(upf-ar-0\), got 'any'"),
        (DOWN.replace("upf-ar-0", "upf-iot-0"), r"line 3, column upf: expected a UPF of ar"),
        (UP.replace("any", "upf-iot-0"), r"line 3, column upf: expected the UPF of an uplink flow, .* \(any\)"),
        (
            DOWN.replace("0.5", "-1"),
            r"line 3, column arrival_s: expected seconds from 0.000 to 86399.999, at most 3 decimals, got '-1'",
        ),
        (DOWN.replace("0.5", "86400"), r"column arrival_s: expected seconds"),
        (DOWN.replace("0.5", "1e3"), r"column arrival_s: expected seconds"),
        (DOWN.replace("0.5", "nan"), r"column arrival_s: expected seconds"),
        (DOWN.replace("0.5", "1.0005"), r"column arrival_s: expected seconds"),
        (DOWN.replace("0.5", "٣"), r"column arrival_s: expected seconds"),
        (DOWN.replace("60,", "0.000,"), r"line 3, column holding_s: expected seconds from 0.001"),
        (DOWN.replace("60,", "99999999,"), r"column holding_s"),
        (DOWN.replace("100000", "0"), r"line 3, column bandwidth_kbps: expected a whole number from 1 to 1000000, got '0'"),
        (DOWN.replace("100000", "-5"), r"column bandwidth_kbps"),
        (DOWN.replace("100000", "1000001"), r"column bandwidth_kbps: .*1 to 1000000, got '1000001'"),
        (DOWN.replace("100000", "9" * 50), r"column bandwidth_kbps"),
        (DOWN.replace("100000", "NaN"), r"column bandwidth_kbps: .*got 'NaN'"),
        (DOWN[:-1] + "0", r"line 3, column n_requests"),
        (DOWN + ",1", r"line 3: expected 8 fields, got 9"),
        ("0.5,60", r"line 3: expected 8 fields, got 2"),
        ('"0.5"x,60', r"line 3: no valid CSV"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_column(small_city: City, line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(csv_of(UP, line, UP))
    with pytest.raises(MalformedFile, match=message) as caught:
        load_flows(path, small_city)
    assert str(caught.value).startswith(f"{path}, line 3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty; expected the header arrival_s,"),
        (HEAD.encode(), "no flows; expected at least one line"),
        (
            HEAD.replace("bandwidth_kbps", "bandwith_kbps").encode(),
            "line 1: unknown column 'bandwith_kbps', did you mean 'bandwidth",
        ),
        (HEAD.replace(",n_requests", "").encode(), "line 1: column n_requests occurs 0 times"),
        ((HEAD + ",ru").encode(), "line 1: column ru occurs 2 times"),
        (b"\xff" + HEAD.encode(), "no UTF-8 text"),
    ],
)
def test_content_that_is_no_flow_file(small_city: City, content: bytes, message: str) -> None:
    with pytest.raises(MalformedFile, match=message):
        flows_from_csv(content, small_city, name="d")


def test_a_file_that_is_not_there(small_city: City, tmp_path: Path) -> None:
    with pytest.raises(MalformedFile, match=r"none\.csv: cannot be read"):
        load_flows(tmp_path / "none.csv", small_city)


WORDS = st.sampled_from(
    ["", "any", "ar", "iot", "uplink", "downlink", "ru-a", "upf-iot-1", "-1", "nan", "1e9", '"', "\r", "\0", "0.0001"]
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_file_loads_or_is_malformed(small_city: City, data: st.DataObject) -> None:
    rows = [line.split(",") for line in (HEAD, DOWN, UP, DOWN)]
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows[1:] * 2 + rows[:1]))
        position = data.draw(st.integers(0, max(0, len(row) - 1)))
        removed, added = data.draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (0, 1), (1, 0)]))
        row[position : position + removed] = data.draw(st.lists(WORDS | st.text(max_size=6), min_size=added, max_size=added))
    content = "\n".join(",".join(row) for row in rows).encode(errors="surrogatepass")
    try:
        day = flows_from_csv(content, small_city, name="d")
    except MalformedFile as refusal:
        event(str(refusal).partition(":")[0])
    else:
        assert flows_from_csv(flows_to_csv(day, small_city), small_city, name="d").digest == day.digest
        assert (np.diff(day.arrival_ms) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_load_or_are_malformed(small_city: City, content: bytes) -> None:
    with pytest.raises(MalformedFile):
        flows_from_csv(content, small_city, name="d")
