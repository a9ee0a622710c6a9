"""What a run's summary says about its slicing half."""

import numpy as np

from ric_sim.radio.world import World
from services.cli.local.deployment import Deployment
from services.cli.local.folder import RunFolder
from services.cli.local.options import RunOptions
from services.cli.local.slicing import slicing_rows, slicing_summary
from services.cli.report.slicing_plot import draw_slicing
from services.radio.record import SlicingRecord


def record():
    world, made = World(n_replicas=1), SlicingRecord(6, rule="need-tuned")
    for _ in range(10):
        made.add(world.step(np.full((1, 6, 5), 0.5)), world.step(np.full((1, 6, 5), 0.5)), np.zeros(6, dtype=np.bool_))
    made.controls["applied"][:] = 10
    return made.to_dict()


def test_a_run_without_frames_says_nothing():
    assert slicing_summary(None) is None
    assert slicing_summary(SlicingRecord(6, rule="need-tuned").to_dict()) is None


def test_reward_and_satisfaction_over_time_are_in_the_summary_and_the_table():
    content = record()
    summary = slicing_summary(content)
    assert summary["frames"] == 10
    assert summary["reward"]["last_fifth"] == content["totals"]["last_fifth"]["reward"]
    assert summary["controls"]["applied"] == 60
    rows = dict(slicing_rows(summary))
    assert f"{summary['reward']['last_fifth']:.3f}" in rows["reward, first / last fifth"]
    assert "60 applied" in rows["controls"]


def test_the_figure_is_drawn(tmp_path):
    drawn = draw_slicing(tmp_path / "slicing.png", record()).read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert len(drawn) > 10_000


def test_the_slicing_half_is_a_process_per_cell_and_two_more(tmp_path):
    deployment = Deployment(RunOptions(out=tmp_path, slicing=True), RunFolder(tmp_path), store_url="", namespace="", ric_port=1)
    specs = deployment.slicing_processes()
    assert [spec.name for spec in specs] == ["radio", "critic", *(f"slicing-du-{du}" for du in range(6))]
    assert not any(spec.ends_by_itself for spec in specs)
