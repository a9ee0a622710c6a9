import numpy as np
import pytest

from ric_sim.e2.node.ledger import Outcome
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from services.cli.report.plots import RunPlots
from services.cli.report.utilisation import utilisation_over_day

NAMES = {"gos_over_day", "latency_by_service", "decision_time", "utilisation", "rejects_by_cause"}


@pytest.mark.parametrize("n_flows", [1, 400])
def test_every_figure_is_drawn_with_something_in_it(tmp_path, make_ledger, n_flows):
    scenario = load_scenario(profile="smoke", day="test")
    day = selection(scenario.day, "test", np.arange(n_flows))
    outcome = np.where(np.arange(n_flows) % 9 == 8, Outcome.REJECTED, Outcome.APPLIED)
    latency_us = np.where(outcome == Outcome.APPLIED, 3000 + np.arange(n_flows) * 10, 0)
    ledger = make_ledger(service=day.service, outcome=outcome, cause=np.where(outcome == 2, 5, 0), latency_us=latency_us)
    utilisation = utilisation_over_day(scenario.city, [], start_ms=int(day.arrival_ms[0]), end_ms=int(day.arrival_ms[-1]) + 1)
    paths = RunPlots(scenario.city.services, day, ledger, "smoke profile").draw_all(tmp_path, utilisation)
    assert {path.stem for path in paths} == NAMES
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 8000
