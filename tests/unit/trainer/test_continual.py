from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ric_sim.domain.errors import UnknownKey
from ric_sim.network.montreal import build_city
from services.trainer.continual import STRATEGIES, ContinualPlan, Detection, Experiment, Shift, grown, run_continual, summary
from tests.unit.xapps.learning.tiny import tiny_config
from tests.untrained import untrained_folder
from xapps.learning.drift import Alarm, Regime
from xapps.learning.pretrained import fitted, load_team

SERVICES = list(build_city("smoke").service_index)
TRAFFIC = {"profiles": ["smoke"], "days": 2, "lanes": 12, "stretch": 200, "filled": 6, "validation_flows": 96}
CONFIG = tiny_config(traffic=TRAFFIC)


def _plan(folder: Path, service: str = "voip") -> ContinualPlan:
    weights = folder / "before"
    untrained_folder(weights, SERVICES)
    return ContinualPlan(CONFIG, weights, Shift(service, 2.0), seeds=(1, 2), reference_days=2)


@pytest.mark.long
def test_where_nothing_is_noticed_nobody_adapts(tmp_path: Path) -> None:
    plan = ContinualPlan(**{**vars(_plan(tmp_path)), "shift": Shift("voip", 1.0)})
    result = run_continual(plan, out=tmp_path / "out", watch=lambda _: None)
    assert result["detection"]["alarm_ms"] is None
    assert list(result["strategies"]) == ["frozen"]
    assert result["strategies"]["frozen"]["new"]["change"]["mean"] == 0.0


@pytest.mark.long
def test_adapted_agents_are_scored_on_both_regimes_and_kept(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    team = load_team(plan.weights, SERVICES)
    detection = Detection(Alarm(0, ("voip",)), (), {"voip": 2.0})
    experiment = Experiment(plan, fitted(plan.config, team), team, detection)
    digests = {team["voip"].sha256}
    for strategy in STRATEGIES[1:]:
        scores = experiment.adapted(strategy, 1, tmp_path / strategy)
        assert set(scores) == {"old", "new"}
        digests.add(load_team(tmp_path / strategy, SERVICES)["voip"].sha256)
    assert len(digests) == len(STRATEGIES)
    told = summary({1: scores}, {1: scores})
    assert told["new"]["gos"]["mean"] == scores["new"].gos
    assert told["old"]["change"]["mean"] == 0.0


def test_growth_is_read_off_the_day_after_the_alarm() -> None:
    regime = Regime(np.full((24, 8), 10.0), np.ones((24, 8)))
    seen = np.full((96, 8), 10.0)
    seen[:40, 0] = 20.0  # before the alarm
    seen[40:, 2] = 10.0 * np.sqrt(1.5)
    assert grown(seen, regime, SERVICES, Alarm(40 * 900_000, ("industry",))) == {"industry": pytest.approx(1.5)}


def test_a_service_the_city_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownKey, match="fax"):
        run_continual(_plan(tmp_path, "fax"), out=tmp_path, watch=lambda _: None)
