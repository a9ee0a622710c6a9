"""The report on routing from small runs: real evaluations of a short day, kept and averaged, tables and figures written."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from ric_sim.domain.errors import MalformedFile
from ric_sim.envs.evaluate import evaluate
from ric_sim.network.scenario import load_scenario
from services.cli.main import main
from services.cli.report.routing_results import Row, difference, gos, read_run, refused_percent
from services.cli.report.routing_tables import difference_table, shown
from tests.untrained import untrained_folder

KEYS = ("ar", "gaming", "industry", "iot", "video", "voip")
PLAYED_AS = {"amarl": "specialised", "sarl": "widest-shortest"}


@pytest.fixture(scope="module")
def played():
    """Evaluations of the smoke day by heuristics, to stand for those of trained policies."""
    smoke = load_scenario(profile="smoke", day="test")
    return {algo: evaluate(smoke, name).to_dict() for algo, name in PLAYED_AS.items()}


def _run_folder(path: Path, algo: str, seed: int, evaluation: dict) -> Path:
    path.mkdir(parents=True)
    scores = [
        {"step": step, "wall_s": step / 10, "gos": 0.9 + step / 1e5, "gos_by_service": dict.fromkeys(KEYS, 0.9 + seed / 100)}
        for step in (1000, 2000, 3000)
    ]
    result = {"algo": algo, "config": "fast", "seed": seed, "wall_s": 300.0 + seed, "evaluations": scores}
    (path / "config.yaml").write_text(
        yaml.safe_dump({"algo": algo, "seed": seed, "config": {"name": "fast", algo: {"gamma": 0.5 + seed / 100}}})
    )
    (path / "result.json").write_text(json.dumps(result))
    agents = KEYS if algo == "amarl" else ("all",)
    lines = [f"{step},{step / 10},{agent},{step / 1e4}" for step in (1000, 2000, 3000) for agent in agents]
    (path / "learning.csv").write_text("\n".join(["step,wall_s,service,return_mean", *lines]) + "\n")
    (path / "eval-smoke.json").write_text(json.dumps({**evaluation, "gos": evaluation["gos"] - seed / 1000}))
    return path


@pytest.fixture
def runs(tmp_path, played):
    return [
        _run_folder(tmp_path / f"{algo}-{seed}", algo, seed, played[algo]) for algo in ("amarl", "sarl") for seed in (1, 2, 3)
    ]


def _report(out: Path, runs: list[Path], *words: str) -> int:
    folders = [word for run in runs for word in ("--runs", str(run))]
    asked = ["--profile", "smoke", "--policy", "cspf,specialised", "--out", str(out), "--robustness", "none", "--no-bound"]
    return main(["report", "routing", *asked, *folders, *words, "--json"])


def test_tables_and_figures_of_the_paper(tmp_path, runs, played, capsys):
    out = tmp_path / "report"
    assert _report(out, runs) == 0
    told = json.loads(capsys.readouterr().out)
    page = (out / "README.md").read_text()
    for title in ("Table 1", "Table 2", "Table 4", "Table 5", *(f"Figure {number}" for number in range(5, 10))):
        assert f"## {title}" in page
    assert "7,812 / 7,812" in page
    assert "0:05:02 ± 0:00:02 (5:12:00)" in page
    figures = re.findall(r"\]\(([^)]+\.svg)\)", page)
    assert len(figures) == 5
    for name in figures:
        assert (out / name).read_text().startswith("<?xml")
    assert sorted(map(Path, told["files"])) == sorted([out / "README.md", *(out / name for name in figures)])
    amarl = told["gos_percent"]["smoke"]["amarl"]
    assert amarl["mean"] == pytest.approx(100 * played["amarl"]["gos"] - 0.2)
    assert amarl["half_width"] == pytest.approx(4.3027 * 0.1 / 3**0.5)
    assert told["gos_percent"]["smoke"]["specialised"] == {"mean": 100 * played["amarl"]["gos"], "half_width": None, "n": 1}
    assert "| amarl - specialised | 3 | -0.200 ± 0.248 | no difference shown |" in page


def test_what_is_kept_is_not_played_again_but_what_is_old_is(tmp_path, runs, capsys):
    out = tmp_path / "report"
    assert _report(out, runs) == 0
    kept = out / "data" / "eval-cspf-smoke.json"
    told = json.loads(kept.read_text())
    kept.write_text(json.dumps({**told, "gos": 0.5}))
    assert _report(out, runs) == 0
    assert "| cspf | 1 | 50.00 |" in (out / "README.md").read_text()
    kept.write_text(json.dumps({**told, "gos": 0.5, "config_hash": "of another day"}))
    assert _report(out, runs) == 0
    assert json.loads(kept.read_text())["gos"] == told["gos"]
    capsys.readouterr()


def test_trained_weights_are_played_where_no_evaluation_is_kept(tmp_path, runs, capsys):
    run, out = runs[0], tmp_path / "report"
    untrained_folder(run / "weights" / "amarl", KEYS)
    (run / "eval-smoke.json").unlink()
    assert _report(out, [run], "--robustness", "smoke") == 0
    capsys.readouterr()
    kept = json.loads((run / "eval-smoke.json").read_text())
    assert (kept["policy"], kept["requests"]) == ("amarl", 400)
    assert len(list(run.glob("robustness-smoke-*.json"))) == 4
    assert "| undisturbed | amarl |" in (out / "README.md").read_text()


def test_bound_and_disturbed_days_without_any_run(tmp_path, capsys):
    out = tmp_path / "report"
    words = ["--bound", "--robustness", "smoke", "--figures", "png"]
    assert _report(out, [], *words) == 0
    told, page = json.loads(capsys.readouterr().out), (out / "README.md").read_text()
    assert told["bound_percent"]["smoke"] >= told["gos_percent"]["smoke"]["specialised"]["mean"]
    assert "Table 5" not in page
    rows = re.findall(r"^\| (undisturbed|iot demand x 1.5|link .* failed|upf-iot-0 failed) \| (\S+) ", page, re.MULTILINE)
    assert len(rows) == 8
    assert (out / "robustness-smoke.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_a_finished_run_is_refused(tmp_path, runs):
    (runs[0] / "result.json").unlink()
    with pytest.raises(MalformedFile, match=r"no finished training run.*expected config\.yaml, learning\.csv and result\.json"):
        read_run(runs[0])
    shutil.rmtree(runs[1])
    with pytest.raises(MalformedFile):
        read_run(runs[1])


@pytest.mark.parametrize("words", [["--figures", "jpg"], ["--day-seeds", "1,x"], ["--policy", "amarl"], ["--profile", "papr"]])
def test_options_that_make_no_sense(tmp_path, words, capsys):
    assert _report(tmp_path, [], *words) == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"]


def _row(label, learned, values):
    return Row(label, "paper", learned, {key: {"gos": value} for key, value in values.items()})


def test_a_seed_is_one_repetition_however_many_days_it_is_played_on():
    ours = _row("amarl", True, {(1, "a"): 0.99, (1, "b"): 0.97, (2, "a"): 0.98, (2, "b"): 0.96})
    theirs = _row("cspf", False, {(None, "a"): 0.97, (None, "b"): 0.95})
    assert ours.units(gos) == pytest.approx({1: 98.0, 2: 97.0})
    assert theirs.units(gos) == pytest.approx({"a": 97.0, "b": 95.0})
    gap = difference(ours, theirs, gos)
    assert (gap.n, gap.mean) == (2, pytest.approx(1.5))
    assert difference(theirs, ours, gos).mean == pytest.approx(-1.5)
    assert difference(ours, _row("sarl", True, {(7, "a"): 0.9}), gos) is None
    assert difference_table([ours, theirs]).splitlines()[2].startswith("| amarl - cspf | 2 | +1.500 ± ")


def test_shares_of_causes_add_up_to_what_was_refused(played):
    evaluation = played["sarl"]
    causes = ("no_route_capacity", "no_route_latency")
    for key in KEYS:
        parts = sum(refused_percent(key, [cause])(evaluation) for cause in causes)
        assert parts == pytest.approx(100 * (1 - evaluation["gos_by_service"][key]))


def test_numbers_without_an_interval_are_shown_as_they_are():
    assert shown(None) == "-"
    assert shown(_row("x", False, {(None, "a"): 0.5}).interval(gos)) == "50.00"
