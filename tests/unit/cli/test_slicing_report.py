"""The report on slicing from small runs: real trainings of a few steps, played, averaged, tables and figures written."""

import contextlib
import io
import json
import os
import re

import numpy as np
import pytest
import yaml

from ric_sim.domain.errors import MalformedFile
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.radio.learned.policy import load_slicing
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from services.cli.main import main
from services.cli.report.slicing_cache import EpisodeCache
from services.cli.report.slicing_play import NoisyReports
from services.cli.report.slicing_results import find_runs
from services.trainer.slicing import CONFIGS, SlicingRunPlan, find_slicing_config, train_slicing

SHORT = ["--seeds", "911", "--replicas", "2", "--decisions", "6", "--figures", "png"]
COST = {"name": "ta-sam update, ci shape", "value": 4.2, "unit": "ms", "reference": "plain", "reference_value": 3.0, "ratio": 1.4}


def _train(folder, config, variant, seed, **changes):
    chosen = find_slicing_config(str(config), variant, changes=changes)
    plan = SlicingRunPlan(chosen, seed, "none")
    train_slicing(plan, out=folder / f"{variant}-{seed}-{len(changes)}", resume=False, watch=lambda *_: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of three methods with two seeds each, and short ones: another network, a static radius."""
    folder = tmp_path_factory.mktemp("runs")
    config = yaml.safe_load((CONFIGS / "ci.yaml").read_text())
    config["world"].update(replicas=2, episode=15)
    config["network"]["hidden"] = [8]
    config["sac"].update(warm_up=10, batch=8)
    config["evaluation"].update(profiles=["nominal"], replicas=1, decisions=3, validation_decisions=3, curvature_rows=8)
    config["total_steps"] = 30
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    for variant in ("sac", "ta-sam", "single-agent"):
        for seed in (1, 2):
            _train(folder, path, variant, seed)
    rho = {"kind": "static", "start": 0.1}
    _train(folder, path, "both-sam", 1, total_steps=15, sam={"rho_actor": rho, "rho_critic": rho, "guard": None})
    _train(folder, path, "sac", 1, total_steps=15)
    for variant in ("sac", "ta-sam"):
        _train(folder, path, variant, 1, total_steps=15, world={"n_dus": 2})
    return folder


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory):
    """The folder of a report on these runs, and what the command printed."""
    out = tmp_path_factory.mktemp("report")
    cost = out / "bench.json"
    cost.write_text(json.dumps({"figures": [COST]}))
    words = ["--profile", "overload,nominal", "--policy", "need-tuned", "--oracle", "nominal", "--noise", "0.5"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(
            ["report", "slicing", "--runs", str(trained), "--out", str(out), *SHORT, *words, "--cost", str(cost), "--json"]
        )
    assert code == 0
    return out, json.loads(printed.getvalue())


def test_tables_and_figures_of_the_paper(written):
    out, told = written
    page = (out / "README.md").read_text()
    for title in (*(f"Table {number}" for number in (1, 2, 3)), *(f"Figure {number}" for number in range(5, 12))):
        assert f"## {title}" in page
    figures = re.findall(r"\]\(([^)]+\.png)\)", page)
    assert len(figures) == 8
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in figures)
    assert set(told["files"]) == {str(out / name) for name in ("README.md", "slicing.json", *figures)}
    assert json.loads((out / "slicing.json").read_text()) == {key: told[key] for key in told if key != "files"}
    assert list(told["reward"]) == ["nominal", "overload"]
    assert set(told["reward"]["nominal"]) == {"sac", "ta-sam", "single-agent", "need-tuned", "oracle"}
    assert "TA-SAM above SAC without SAM (Table 2) | ta-sam - sac |" in page
    assert "(23.67)" in page
    assert "| ta-sam update, ci shape | 4.20 ms | plain | 3.00 | 1.40 |" in page


def test_oracle_and_bound_are_above_the_best_rule(written):
    _, told = written
    rewards = told["reward"]["nominal"]
    assert rewards["oracle"]["mean"] > rewards["need-tuned"]["mean"]
    assert told["bounds"]["nominal"]["bound"] > told["bounds"]["nominal"]["reward"]


def test_rewards_are_those_of_the_evaluation(trained, written):
    rewards = written[1]["reward"]["nominal"]

    def played(policy):
        return evaluate_slicing(policy, World(n_replicas=2), seeds=(911,), decisions=6)

    rule = played(make_slicing_policy("need-tuned"))
    assert (rewards["need-tuned"]["mean"], rewards["need-tuned"]["n"]) == (pytest.approx(rule.reward.mean, abs=1e-5), 2)
    means = [played(load_slicing(trained / f"sac-{seed}-0" / "weights")).reward.mean for seed in (1, 2)]
    assert rewards["sac"]["mean"] == pytest.approx(sum(means) / 2, abs=1e-5)
    assert rewards["sac"]["half_width"] == pytest.approx(12.7062 * abs(means[0] - means[1]) / 2, abs=1e-4)


def test_what_was_played_is_not_played_again_but_what_is_old_is(trained, tmp_path):
    cache = EpisodeCache(tmp_path, seeds=(911,), replicas=1, decisions=3)
    run = next(run for run in find_runs([trained]) if run.variant == "ta-sam")
    kept = {"static": tmp_path / "episodes-static-nominal.json", "ta-sam": run.path / "episodes-nominal.json"}
    first = {"static": cache.of_rule("static", "nominal"), "ta-sam": cache.of_run(run, "nominal")}
    for name, path in kept.items():
        path.write_text(json.dumps({**first[name], "episodes": []}))
    assert cache.of_rule("static", "nominal")["episodes"] == cache.of_run(run, "nominal")["episodes"] == []
    longer = EpisodeCache(tmp_path, seeds=(911,), replicas=1, decisions=4)
    assert len(longer.of_rule("static", "nominal")["episodes"]) == 1
    assert cache.of_rule("static", "nominal") == first["static"]
    newer = kept["ta-sam"].stat().st_mtime + 1
    os.utime(run.path / "result.json", (newer, newer))
    assert cache.of_run(run, "nominal") == first["ta-sam"]
    kept["static"].write_text("no JSON")
    with pytest.raises(MalformedFile, match="delete it"):
        cache.of_rule("static", "nominal")


def test_noise_changes_what_is_asked_for_and_is_the_same_for_everyone(trained):
    policy, world = load_slicing(trained / "sac-1-0" / "weights"), World(n_replicas=2)
    world.reset(911)
    beta = policy.allocate(world).beta
    noisy = [NoisyReports(policy, level).allocate(world).beta for level in (0.0, 0.5, 0.5, 1.0)]
    assert np.array_equal(noisy[0], beta)
    assert np.array_equal(noisy[1], noisy[2])
    assert 0 < np.abs(noisy[1] - beta).mean() < np.abs(noisy[3] - beta).mean()


def test_heuristics_alone_make_a_page(tmp_path, capsys):
    words = ["--profile", "nominal", "--policy", "need-tuned,equal-rr", "--noise", "none", "--oracle", "none"]
    assert main(["report", "slicing", "--out", str(tmp_path), *SHORT, *words, "--json"]) == 0
    page = (tmp_path / "README.md").read_text()
    assert "| need-tuned |" in page
    assert "What the runs show" not in page
    assert "Figure 5" not in page
    assert set(json.loads(capsys.readouterr().out)["reward"]["nominal"]) == {"need-tuned", "equal-rr"}


def test_a_file_of_costs_must_be_one(tmp_path, capsys):
    cost = tmp_path / "bench.json"
    cost.write_text("{}")
    words = [*SHORT, "--profile", "nominal", "--policy", "static", "--noise", "none", "--oracle", "none", "--cost", str(cost)]
    assert main(["report", "slicing", "--out", str(tmp_path), *words, "--json"]) != 0
    assert "ricity bench train-slicing" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["--figures", "jpg"],
        ["--seeds", "1,x"],
        ["--noise", "-1"],
        ["--policy", "oracle"],
        ["--profile", "overload"],
        ["--profile", "nominl"],
    ],
)
def test_options_that_make_no_sense(tmp_path, words, capsys):
    assert main(["report", "slicing", "--out", str(tmp_path), *words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_folder_without_runs_is_refused(tmp_path, capsys):
    assert main(["report", "slicing", "--runs", str(tmp_path), "--out", str(tmp_path / "out"), "--json"]) != 0
    assert "no run and no folder of finished runs" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_runs_are_read_with_what_sets_them_apart(trained):
    runs = find_runs([trained])
    assert len(runs) == 10
    one = next(run for run in runs if run.radius is not None)
    assert (one.variant, one.radius, one.steps, one.seed) == ("both-sam", 0.1, 15, 1)
    assert [step for step, _ in one.learning] == [15]
    assert {run.n_dus for run in runs} == {2, 6}
    assert all(run.critic_curvature > 0 for run in runs)
