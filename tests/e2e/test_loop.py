"""`ricity loop --train` as a process: a small team is trained, published, judged against production and takes its place."""

import json

import pytest
import yaml

from ric_sim.network.policies.learned import save_weights
from ric_sim.network.services_catalogue import SERVICES
from services.registry.registry import Registry
from tests.e2e.live_run import run_ricity
from tests.unit.xapps.learning.tiny import tiny_config
from tests.untrained import untrained_weights

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TEAM = "routing-amarl"


def test_from_training_to_production_in_one_command(tmp_path):
    for index, spec in enumerate(SERVICES):
        weights = untrained_weights(spec.key, seed=index)
        weights.tensors["direct.weight"][0, 0] = 3.0  # a taste for long ways
        save_weights(tmp_path / "contrary" / f"{spec.key}.safetensors", weights)
    registry = Registry(tmp_path / "registry")
    registry.publish(TEAM, tmp_path / "contrary")
    registry.promote(TEAM, 1)
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(tiny_config().model_dump(mode="json")))
    judged = ("--profile", "smoke", "--days", 4, "--guard", 100, "--registry", registry.root, "--out", tmp_path / "loop")

    code, report, errors = run_ricity("loop", "--train", "--config", config, *judged, within_s=500)

    assert (code, report and report["verdict"], report and report["stage"]) == (0, "better", "production"), errors
    assert report["against"] == "version 1"
    trained = registry.model(TEAM).version(2)
    result = json.loads((tmp_path / "loop" / "train" / "result.json").read_text())
    assert trained.metrics["gos_validation"] == pytest.approx(result["gos_validation"])
    assert (trained.parent, {file.lineage.seed for file in trained.files}) == (1, {1})
    assert registry.serving(TEAM).resolve() == registry.view(TEAM, 2).resolve()
    assert (tmp_path / "loop" / "evidence.png").exists()
    assert registry.verify() == []
