from __future__ import annotations

import json
from pathlib import Path

from ric_sim.network.montreal import build_city
from services.trainer.onboarding import train_onboarding
from services.trainer.routing import RunPlan
from tests.unit.xapps.learning.tiny import tiny_config
from tests.untrained import untrained_folder
from xapps.learning.onboarding import onboarding_of

SIX = list(build_city("paper").service_index)
TRAFFIC = {"profiles": ["paper-7"], "lanes": 24, "stretch": 500, "filled": 6, "validation_flows": 96}


def test_a_newcomer_is_trained_reported_and_deployable_with_the_others(tmp_path: Path) -> None:
    there = untrained_folder(tmp_path / "there", SIX)
    onboarding, config = onboarding_of(tiny_config(traffic=TRAFFIC), ("surgery",), there, "industry")
    plan = RunPlan("amarl", config, 1, "test")
    out = tmp_path / "run"
    result = train_onboarding(plan, onboarding, out=out, resume=False, watch=lambda *_: None, max_flows=400)
    assert json.loads((out / "result.json").read_text()) == result
    files = {file.stem: file.read_bytes() for file in (out / "weights" / "amarl").glob("*.safetensors")}
    assert sorted(files) == sorted([*SIX, "surgery"])
    assert all(files[key] == (there / f"{key}.safetensors").read_bytes() for key in SIX)
    told = result["onboarding"]
    gos, change = told["gos"], told["change_of_others"]
    assert gos["absent"]["surgery"] is None
    assert 0 <= gos["onboarded"]["surgery"] <= 1
    for name in ("absent", "stand_in"):
        assert change[f"against_{name}"]["others"] == gos["onboarded"]["others"] - gos[name]["others"]
        assert set(change[f"against_{name}"]) == {*SIX, "others"}
