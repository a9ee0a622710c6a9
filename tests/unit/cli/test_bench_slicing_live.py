import pytest

from services.cli.bench_command import load_benchmark


def test_the_worst_dapp_and_the_pushes_are_compared_with_an_echo():
    bench = load_benchmark("bench_slicing_live")
    live = {
        "decision_ms": {"slicing-du-0": {"p50": 0.4, "p99": 1.0}, "slicing-du-1": {"p50": 0.6, "p99": 1.5}},
        "push_ms": {"p50": 3.0, "p99": 8.0},
    }
    figures = bench.figures_of(live, {"p50": 0.5, "p99": 2.0})
    assert [figure["value"] for figure in figures] == [0.5, 1.5, 3.0, 8.0]
    assert [figure["ratio"] for figure in figures] == pytest.approx([1.0, 0.75, 6.0, 4.0])
    assert [figure["goal"] for figure in figures] == ["", "< 2 ms", "", "< 10 ms"]
    assert {figure["unit"] for figure in figures} == {"ms"}
