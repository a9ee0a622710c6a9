import inspect

import pytest

from ric_sim.domain.errors import InvalidInput
from services.cli import bench_command
from services.cli.bench_command import load_benchmark


@pytest.mark.parametrize("name", ["bench_store", "bench_e2", "bench_loop"])
def test_every_benchmark_can_be_loaded_and_measures(name):
    assert list(inspect.signature(load_benchmark(name).measure).parameters) == ["quick", "tell"]


def test_without_the_source_benchmarks_say_where_they_are(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_command, "SOURCE_ROOT", tmp_path)
    with pytest.raises(InvalidInput, match="need a source checkout"):
        load_benchmark("bench_loop")


def test_staleness_rows_become_figures():
    bench_loop = load_benchmark("bench_loop")
    live = {"wall_s": 60.0, "decisions_per_s": 784.4, "gos": 0.981}
    in_process = {"wall_s": 6.0, "requests": 47_061, "gos": 0.982}
    rows = [
        {"in_flight": in_flight, "replans": replans, "gos": 0.9, "fresh_gos": 0.96}
        for in_flight in bench_loop.IN_FLIGHT
        for replans in bench_loop.REPLANS
    ]
    figures = bench_loop._figures(live, in_process, rows)
    assert [(figure["value"], figure["ratio"]) for figure in figures[:2]] == [(60.0, 10.0), (784.4, 0.1)]
    assert figures[2]["value"] == 98.1
    assert [figure["reference_value"] for figure in figures[3:]] == [96.0, 96.0]
    assert {"name", "value", "unit", "reference", "reference_value", "ratio"} <= set(figures[0])
