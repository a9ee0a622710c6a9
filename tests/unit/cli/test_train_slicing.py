import json

import pytest
import yaml
from typer.testing import CliRunner

from services.cli.train_command import app
from services.trainer.slicing import CONFIGS


@pytest.fixture
def tiny(tmp_path):
    config = yaml.safe_load((CONFIGS / "ci.yaml").read_text())
    config["world"].update(n_dus=2, n_ues=30, replicas=2, episode=20)
    config["network"]["hidden"] = [8]
    config["sac"].update(warm_up=10, batch=8)
    config["evaluation"].update(profiles=["nominal"], replicas=1, decisions=5, curvature_rows=16)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _train(tiny, tmp_path, *options):
    arguments = ["slicing", "--config", str(tiny), "--seed", "3", "--steps", "40", "--out", str(tmp_path / "run"), *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_json_is_the_result_of_the_run(tiny, tmp_path):
    done = _train(tiny, tmp_path, "--variant", "critic-sam", "--decoding", "share5", "--json")
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["variant"], result["decoding"], result["seed"], result["steps"]) == ("critic-sam", "share5", 3, 40)
    assert {"reward", "satisfied", "all3", "wall_s", "curvature", "by_profile"} <= set(result)


def test_people_get_a_row_per_profile_beside_the_best_rule(tiny, tmp_path):
    done = _train(tiny, tmp_path)
    assert "ta-sam" in done.stdout
    assert "nominal" in done.stdout
    assert "need-tuned" in done.stdout
    again = _train(tiny, tmp_path, "--resume", "--json")
    assert json.loads(again.stdout)["resumed"]
