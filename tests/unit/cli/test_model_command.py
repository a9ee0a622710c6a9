"""`ricity model` and `ricity loop` as typed: results on stdout as JSON, refusals with exit code 2."""

import json

import pytest

from ric_sim.network.policies.learned import Lineage, save_weights, weight_files
from ric_sim.network.services_catalogue import SERVICES
from ric_sim.radio.learned import SHIPPED_FOLDER
from services.cli.main import main
from tests.untrained import untrained_folder, untrained_weights

TEAM = "routing-amarl"
KEYS = [spec.key for spec in SERVICES]


@pytest.fixture
def ricity(tmp_path, capsys, monkeypatch):
    """Runs a command on a registry of the test's own; exit code and the JSON it printed."""
    monkeypatch.setenv("RICITY_REGISTRY", str(tmp_path / "registry"))

    def run(*words):
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def finished_run(tmp_path):
    """A folder as `ricity train routing` leaves it, of agents nobody trained."""
    run = tmp_path / "run"
    untrained_folder(run / "weights" / "amarl", KEYS, seed=3, lineage=Lineage(seed=3, steps=1_000))
    (run / "result.json").write_text(json.dumps({"gos_validation": 0.97}))
    return run


def test_from_publication_to_rollback(ricity, finished_run, tmp_path):
    assert ricity("model", "list") == (0, {"models": []})
    code, first = ricity("model", "publish", TEAM, finished_run, "--metric", "gos=0.5")
    assert (code, first["is_new"], first["version"], first["stage"]) == (0, True, 1, "staged")
    assert first["metrics"] == {"gos_validation": 0.97, "gos": 0.5}
    assert [file["agent"] for file in first["files"]] == KEYS
    assert ricity("model", "publish", TEAM, finished_run)[1]["is_new"] is False
    ricity("model", "publish", TEAM, untrained_folder(tmp_path / "other", KEYS, seed=4))
    assert ricity("model", "promote", TEAM, 1)[1]["stage"] == "production"
    assert ricity("model", "promote", TEAM, 2, "--to", "canary")[1]["stage"] == "canary"
    row = {"name": TEAM, "versions": 2, "production": 1, "canary": 2}
    assert ricity("model", "list") == (0, {"models": [row]})
    assert ricity("model", "promote", TEAM, 2)[1]["stage"] == "production"
    assert ricity("model", "rollback", TEAM)[1]["version"] == 1
    assert [each["stage"] for each in ricity("model", "show", TEAM)[1]["versions"]] == ["production", "retired"]
    assert ricity("model", "gc", "--keep-retired", 0)[1]["collected"] == [f"{TEAM} version 2"]
    assert ricity("model", "verify") == (0, {"ok": True, "problems": []})
    next((tmp_path / "registry" / "blobs").iterdir()).write_bytes(b"damaged")
    code, told = ricity("model", "verify")
    assert (code, told["ok"], len(told["problems"])) == (1, False, 1)


def test_tables_are_for_people(ricity, finished_run, capsys):
    ricity("model", "publish", TEAM, finished_run)
    assert main(["model", "show", TEAM]) == 0
    shown = capsys.readouterr().out
    assert "staged" in shown
    assert "97.00" in shown
    assert main(["model", "list"]) == 0
    assert TEAM in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["model", "show", TEAM], "not_found", "none yet"),
        (["model", "publish", "mine", "nowhere"], "invalid_input", "routing-<algorithm>"),
        (["model", "publish", TEAM, "nowhere"], "weights_missing", "nowhere"),
        (["model", "publish", TEAM, "nowhere", "--metric", "gos"], "invalid_input", "NAME=NUMBER"),
        (["model", "promote", TEAM, "1", "--to", "heaven"], "unknown_key", "heaven"),
        (["model", "rollback", TEAM], "not_found", TEAM),
        (["loop"], "invalid_input", "--candidate"),
        (["loop", "--candidate", "nowhere", "--train"], "invalid_input", "--candidate"),
        (["loop", "--candidate", "nowhere", "--name", "routing-amarl-video"], "invalid_input", "whole teams"),
        (["loop", "--live", "--candidate", "nowhere"], "invalid_input", "routing-amarl-video"),
        (["loop", "--candidate", "nowhere", "--name", "slicing-ta-sam"], "invalid_input", "whole teams"),
        (["loop", "--candidate", "nowhere", "--profile", "mars"], "unknown_key", "mars"),
        (["loop", "--candidate", "nowhere", "--alpha", "2"], "out_of_range", "alpha"),
    ],
)
def test_unusable_input_is_refused(words, code, named, ricity, tmp_path):
    exit_code, told = ricity(*words)
    assert (exit_code, told["error"]["code"]) == (2, code)
    assert named in told["error"]["message"]
    assert not (tmp_path / "registry").exists()


def test_the_loop_judges_settles_and_reports(ricity, tmp_path):
    """Agents with a taste for long ways, against the trained ones that come with Ricity; then the trained ones against them."""
    for seed in (1, 2):
        for key in KEYS:
            weights = untrained_weights(key, seed=seed)
            weights.tensors["direct.weight"][0, 0] = 3.0
            save_weights(tmp_path / f"contrary-{seed}" / f"{key}.safetensors", weights)
    judged = ("--profile", "smoke", "--days", 4, "--guard", 100)
    code, told = ricity("loop", "--candidate", tmp_path / "contrary-1", *judged, "--out", tmp_path / "bad")
    assert (code, told["verdict"], told["stage"]) == (1, "worse", "retired")
    assert told["against"] == "the weights that come with Ricity"
    report = json.loads((tmp_path / "bad" / "report.json").read_text())
    assert len(report["track"]) == told["blocks"] > 5
    assert (tmp_path / "bad" / "evidence.png").read_bytes().startswith(b"\x89PNG")
    code, again = ricity("loop", "--candidate", tmp_path / "contrary-1", *judged, "--out", tmp_path / "again")
    assert (code, again["error"]["code"]) == (2, "stage_refused")
    ricity("model", "publish", TEAM, tmp_path / "contrary-2")
    ricity("model", "promote", TEAM, 2)
    shipped = next(iter(weight_files("amarl", KEYS).values())).parent
    code, told = ricity("loop", "--candidate", shipped, *judged, "--out", tmp_path / "good")
    assert (code, told["verdict"], told["stage"], told["against"]) == (0, "better", "production", "version 2")
    assert ricity("model", "rollback", TEAM)[1]["version"] == 2


def test_a_version_is_exported_for_other_runtimes(ricity, tmp_path):
    ricity("model", "publish", "slicing-ta-sam", SHIPPED_FOLDER)
    code, told = ricity("model", "export", "slicing-ta-sam", 1, "--onnx", tmp_path / "out")
    assert (code, told["files"]) == (0, [str(tmp_path / "out" / f"du_{index}.onnx") for index in range(6)])
    sizes = [path.stat().st_size for path in (tmp_path / "out").iterdir()]
    assert len(sizes) == 6
    assert min(sizes) > 4 * 18 * 64
    assert ricity("model", "export", "slicing-ta-sam", 7, "--onnx", tmp_path / "none")[1]["error"]["code"] == "not_found"
    assert not (tmp_path / "none").exists()
