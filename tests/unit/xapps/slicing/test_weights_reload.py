"""A dApp that follows a file: new weights are taken, unusable ones refused, and a critic has precedence."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog

from ric_sim.radio.learned import SHIPPED_FOLDER, ActorWeights, actor_file, load_actor, save_actor
from services.registry.registry import Registry
from xapps.slicing.agent import RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.settings import SlicingSettings
from xapps.slicing.start import starting_policy
from xapps.slicing.weights_reload import WeightsReload

FACTS = RadioFacts(n_dus=6, n_rbs=100, observation="ext", observation_dim=18)
TEAM = "slicing-ta-sam"


def team(folder, **changes):
    """The shipped actors with another lineage, which makes them other weights."""
    for index in range(6):
        weights = load_actor(actor_file(SHIPPED_FOLDER, f"du_{index}"))
        save_actor(actor_file(folder, f"du_{index}"), ActorWeights(replace(weights.spec, **changes), weights.tensors))
    return folder


@pytest.fixture
def serving(tmp_path):
    """An agent that follows the registry's production, which has version 1 of two."""
    registry = Registry(tmp_path / "registry")
    for seed in (1, 2):
        registry.publish(TEAM, team(tmp_path / f"team-{seed}", seed=seed, version=seed))
    registry.promote(TEAM, 1)
    settings = SlicingSettings(du=3, slicing_weights=str(registry.serving(TEAM)))
    metrics = SlicingMetrics("du_3")
    agent = SlicingAgent(seed=0, metrics=metrics, starting=lambda facts: starting_policy(settings.slicing_weights, "du_3", facts))
    agent.enter(FACTS)
    serving = SimpleNamespace(registry=registry, agent=agent, taught=False, fates=metrics.weights)
    serving.reload = WeightsReload(settings, agent, is_taught=lambda: serving.taught, metrics=metrics, log=structlog.get_logger())
    return serving


async def test_a_promotion_and_a_rollback_reach_the_dapp(serving):
    first = serving.agent.policy
    assert not await serving.reload.look()
    assert serving.agent.policy is first
    serving.registry.promote(TEAM, 2)
    assert await serving.reload.look()
    assert serving.agent.policy.version == 2
    assert not await serving.reload.look()
    serving.registry.rollback(TEAM)
    assert await serving.reload.look()
    assert serving.agent.policy.sha256 == first.sha256


async def test_a_file_waits_while_a_critic_teaches(serving):
    serving.registry.promote(TEAM, 2)
    serving.taught = True
    assert not await serving.reload.look()
    assert serving.agent.policy.version == 1
    serving.taught = False
    assert await serving.reload.look()
    assert serving.agent.policy.version == 2


async def test_unusable_weights_are_refused_once_and_counted(serving, tmp_path):
    before = {fate: counter._value.get() for fate, counter in serving.fates.items()}
    path = actor_file(serving.registry.serving(TEAM), "du_3").resolve()
    assert not await serving.reload.look()
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    assert not await serving.reload.look()
    assert not await serving.reload.look()
    other = replace(load_actor(actor_file(SHIPPED_FOLDER, "du_3")).spec, n_dus=7)
    path.unlink()
    save_actor(path, ActorWeights(other, load_actor(actor_file(SHIPPED_FOLDER, "du_3")).tensors))
    assert not await serving.reload.look()
    assert serving.agent.policy.version == 1
    risen = {fate: counter._value.get() - before[fate] for fate, counter in serving.fates.items()}
    assert risen == {"staged": 0, "activated": 0, "reloaded": 0, "corrupt": 1, "mismatch": 1}
