import pytest

from services.cli.bench_command import load_benchmark


def test_update_costs_become_ratios():
    bench = load_benchmark("bench_train_slicing")
    runs = [
        {
            "loop": "ours",
            "shape": "ci",
            "n_agents": 6,
            "update_ms": {"plain": 6.0, "critic-sam": 7.5, "ta-sam": 9.0, "both-sam": 12.0},
        },
        {"loop": "rllib", "shape": "ci", "n_agents": 1, "update_ms": 10.0},
    ]
    figures = bench.figures_of(runs, "ci")
    assert [figure["ratio"] for figure in figures] == pytest.approx([1.25, 1.5, 2.0, 10.0])
    assert figures[-1]["value"] == 1.0


def test_our_variants_are_measured_with_two_agents_under_sam():
    loops = load_benchmark("train_slicing_loops")
    row = loops.ours(loops.SHAPES["ci"], 10)
    assert set(row["update_ms"]) == {"plain", "critic-sam", "ta-sam", "both-sam"}
    assert row["under_sam"] == loops.LOUD_AGENTS == 2
    assert min(row["update_ms"].values()) > 0
