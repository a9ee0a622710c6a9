from pathlib import Path

import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from services.cli.local.options import RunOptions


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"speed": "600"},
        {"speed": "0.5"},
        {"rate": 100.0},
        {"in_flight": 1},
        {"replans": 0},
        {"max_flows": 1, "seed": 0, "ric_port": 65_535},
    ],
)
def test_usable_options_pass(fields: dict[str, object]) -> None:
    RunOptions(out=Path("x"), **fields).validate()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"speed": "fast"}, InvalidInput, r"--speed 'fast': expected 'max' or a positive number"),
        ({"speed": "0"}, InvalidInput, r"--speed '0'"),
        ({"speed": "nan"}, InvalidInput, r"--speed 'nan'"),
        ({"speed": "-3"}, InvalidInput, r"--speed '-3'"),
        ({"rate": 0.0}, OutOfRange, r"--rate 0.0: expected a positive number"),
        ({"rate": float("nan")}, OutOfRange, r"--rate nan"),
        ({"rate": float("inf")}, OutOfRange, r"--rate inf"),
        ({"rate": 100.0, "speed": "60"}, InvalidInput, r"both pace the day"),
        ({"in_flight": 0}, OutOfRange, r"--in-flight 0: expected 1 to 4096"),
        ({"in_flight": 5000}, OutOfRange, r"--in-flight 5000"),
        ({"replans": -1}, OutOfRange, r"--replans -1: expected 0 to 8"),
        ({"max_flows": 0}, OutOfRange, r"--max-flows 0"),
        ({"seed": -1}, OutOfRange, r"--seed -1"),
        ({"ric_port": 70_000}, OutOfRange, r"--ric-port 70000: expected 0 to 65535"),
    ],
)
def test_unusable_options_say_what_is_expected(fields: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        RunOptions(out=Path("x"), **fields).validate()  # type: ignore[arg-type]
