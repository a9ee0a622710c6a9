"""One asynchronous agent, and several that take turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from services.trainer.async_trainer import AgentsPlan, TurnTaking
from services.trainer.routing import find_config
from xapps.learning.async_agent import AsyncAgent, pay
from xapps.learning.config import TrainingConfig
from xapps.learning.kernels_shared import ABORTED, CARRIED, VOID
from xapps.learning.local_episodes import LocalEpisodes
from xapps.learning.shared_env import MemoryEnvironment

VOIP = 5


def config() -> TrainingConfig:
    fast = find_config("fast")
    return fast.model_copy(
        update={
            "traffic": fast.traffic.model_copy(update={"profiles": ("stress",), "lanes": 8, "filled": 60, "stretch": 4000}),
            "reward": fast.reward.model_copy(update={"scarcity_first": 2, "scarcity_steps": 1}),
            "amarl": fast.amarl.model_copy(update={"rollout": 128, "minibatch": 64, "epochs": 1}),
        }
    )


@pytest.fixture(scope="module")
def scenario():
    torch.set_num_threads(1)
    city = build_city("stress")
    return city, generate_day(city, "train", profile="stress", seed=5)


def turn_taking(scenario, tmp_path) -> TurnTaking:
    city, day = scenario
    plan = AgentsPlan(config(), 1, (city,), (day.name,), ("iot", "voip"), tmp_path)
    trainer = TurnTaking(plan, MemoryEnvironment([scenario], config(), seed=1), batch=8)
    trainer.prepare()
    return trainer


def test_agents_learn_each_at_its_own_pace(scenario, tmp_path):
    trainer = turn_taking(scenario, tmp_path)
    before = [next(agent.learner.network.parameters()).detach().clone() for agent in trainer.agents]
    while min(agent.learner.n_updates for agent in trainer.agents) < 2:
        trainer.advance()
    for agent, first in zip(trainer.agents, before, strict=True):
        assert not torch.equal(next(agent.learner.network.parameters()), first)
    facts = trainer.facts()
    assert facts["requests"] > 0
    assert sum(facts["staleness_histogram"]) >= facts["requests"]
    assert facts["agents"] == ["iot", "voip"]


def test_two_runs_are_equal_to_the_last_bit(scenario, tmp_path):
    def weights() -> list[torch.Tensor]:
        trainer = turn_taking(scenario, tmp_path)
        for _ in range(12):
            trainer.advance()
        return [parameter for agent in trainer.agents for parameter in agent.learner.network.parameters()]

    assert all(torch.equal(one, other) for one, other in zip(weights(), weights(), strict=True))


def test_state_survives_a_restart(scenario, tmp_path):
    trainer = turn_taking(scenario, tmp_path)
    while not all(agent.learner.n_updates for agent in trainer.agents):
        trainer.advance()
    again = turn_taking(scenario, tmp_path)
    again.load_state_dict(trainer.state_dict())
    assert again.steps == trainer.steps > 0
    for one, other in zip(trainer.agents, again.agents, strict=True):
        assert one.learner.n_updates == other.learner.n_updates
        assert all(map(torch.equal, one.learner.network.parameters(), other.learner.network.parameters()))


def test_local_routes_are_routes_of_the_city(scenario):
    city, _ = scenario
    environment = MemoryEnvironment([scenario], config(), seed=1)
    environment.prepare(range(6))
    agent = AsyncAgent(VOIP, [city], environment, config(), seed=1, batch=8)
    requests = environment.fetch(VOIP, 8)
    played = LocalEpisodes(city, config().mask.rules, RewardPlan(), capacity=8).play(
        requests, agent.learner.network, torch.Generator().manual_seed(0)
    )
    verdict = environment.commit(VOIP, (0, requests.tickets), played.routes, final=True)
    assert (verdict.status == CARRIED).all()  # nobody else committed since the snapshots
    assert (played.decisions.service >= 0).any(axis=0).all()
    assert (played.decisions.mask.sum(axis=2)[played.decisions.service >= 0] > 1).all()


def test_last_decision_earns_what_became_of_the_request(scenario):
    city, _ = scenario
    environment = MemoryEnvironment([scenario], config(), seed=1)
    environment.prepare(range(6))
    agent = AsyncAgent(VOIP, [city], environment, config(), seed=1, batch=3)
    requests = environment.fetch(VOIP, 3)
    episodes = LocalEpisodes(city, config().mask.rules, RewardPlan(), capacity=3)
    played = episodes.play(requests, agent.learner.network, torch.Generator().manual_seed(0))
    decisions, before = played.decisions, played.decisions.reward.copy()
    cost = np.array([0.25, 0.5, 0.0], dtype=np.float32)
    pay(decisions, played.lost, np.array([CARRIED, ABORTED, CARRIED]), cost)
    assert decisions.done.sum(axis=0).tolist() == [1, 1, 1]
    last, rows = decisions.done.argmax(axis=0), np.arange(3)
    change = (decisions.reward - before)[last, rows]
    assert change.tolist() == pytest.approx([-0.25, -1.0, 0.0])
    assert (decisions.reward == before)[~decisions.done].all()
    assert (decisions.reward < 0)[decisions.service >= 0].any()


def test_void_requests_teach_nothing(scenario):
    city, _ = scenario
    environment = MemoryEnvironment([scenario], config(), seed=1)
    environment.prepare(range(6))
    agent = AsyncAgent(VOIP, [city], environment, config(), seed=1, batch=4)
    requests = environment.fetch(VOIP, 4)
    requests.tickets[:, 2] -= 1
    played = LocalEpisodes(city, config().mask.rules, RewardPlan(), capacity=4).play(
        requests, agent.learner.network, torch.Generator().manual_seed(0)
    )
    verdict = environment.commit(VOIP, (0, requests.tickets), played.routes, final=True)
    assert (verdict.status == VOID).all()
    agent._keep(played, verdict.status, verdict.cost)
    assert agent.learner.n_waiting == 0
