"""What a run's summary says about its slicing half."""

from pathlib import Path

import numpy as np
import pytest

from ric_sim.domain.errors import WeightsMissing
from ric_sim.radio.world import World
from services.cli.local.deployment import Deployment
from services.cli.local.folder import RunFolder
from services.cli.local.options import RunOptions
from services.cli.local.slicing import check_slicing_weights, slicing_rows, slicing_summary
from services.cli.report.slicing_plot import draw_slicing
from services.radio.record import SlicingRecord


def record():
    world, made = World(n_replicas=1), SlicingRecord(6, rule="need-tuned")
    for _ in range(10):
        played, ruled = world.step(np.full((1, 6, 5), 0.5)), world.step(np.full((1, 6, 5), 0.5))
        made.add(played, ruled, np.zeros(6, dtype=np.bool_), np.ones(6, dtype=np.bool_))
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


def test_the_slicing_half_starts_with_the_weights_that_are_asked_for(tmp_path):
    for choice, wanted in (("none", "none"), ("shipped", "shipped"), ("weights", str((Path.cwd() / "weights").resolve()))):
        options = RunOptions(out=tmp_path, slicing=True, slicing_weights=choice)
        specs = Deployment(options, RunFolder(tmp_path), store_url="", namespace="", ric_port=1).slicing_processes()
        given = {spec.runner._env.get("RICITY_SLICING_WEIGHTS") for spec in specs if spec.name != "radio"}
        assert given == {wanted}


def test_weights_that_are_not_there_are_told_before_anything_starts(tmp_path):
    check_slicing_weights("shipped")
    check_slicing_weights("none")
    with pytest.raises(WeightsMissing, match="du_0"):
        check_slicing_weights(str(tmp_path))
