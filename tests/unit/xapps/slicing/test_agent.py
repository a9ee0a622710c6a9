"""Decisions of a slicing dApp: by actor, by rule, in the dark."""

import numpy as np
import pytest

from ric_sim.domain.errors import Conflict
from ric_sim.radio.learned import ActorSpec, ActorStack, ActorWeights
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from ricity.radio.v1 import radio_pb2
from xapps.slicing.agent import Policy, RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics

FACTS = RadioFacts(n_dus=6, n_rbs=100, observation="ext", observation_dim=18)


def constant_actor(bias):
    """An actor whose likeliest action is sigmoid(bias), whatever it sees."""
    spec = ActorSpec("du_0", n_dus=6, observation="ext", decoding="resid5", observation_dim=18, action_dim=5, hidden=(4,))
    tensors = {name: np.zeros(shape, dtype=np.float32) for name, shape in spec.shapes().items()}
    tensors["layers.1.bias"][:5] = bias
    return ActorStack([ActorWeights(spec, tensors)])


@pytest.fixture
def agent():
    made = SlicingAgent(seed=0, metrics=SlicingMetrics("du_0"))
    made.enter(FACTS)
    return made


def report(world, du=0, **changes):
    facts = {
        "epoch": 7,
        "frame": world.frame,
        "observation": world.observe()[0, du].tolist(),
        "need_rbs": world.need_rbs[0, du].tolist(),
    }
    return radio_pb2.Report(**{**facts, **changes})


def test_without_weights_it_decides_as_the_best_rule_does(agent):
    world, rule = World(n_replicas=1), make_slicing_policy("need-tuned")
    for _ in range(20):
        wanted = rule.allocate(world)
        for du in range(6):
            control = agent.decide(report(world, du)).control
            assert list(control.quota_rbs) == wanted.quota_rbs[0, du].tolist()
            assert list(control.beta) == wanted.beta[0, du].tolist()
            assert (control.epoch, control.frame, control.policy_version) == (7, world.frame, 0)
        world.apply(wanted)


def test_an_actor_decides_as_the_world_would_decode_it(agent):
    world = World(n_replicas=1)
    bias = np.array([1.0, -1.0, 0.0, 0.5, 2.0], dtype=np.float32)
    agent.policy = Policy(constant_actor(bias), version=9)
    decision = agent.decide(report(world))
    wanted = world.decode(np.broadcast_to(1 / (1 + np.exp(-bias)), (1, 6, 5)).astype(np.float32))
    assert list(decision.control.quota_rbs) == wanted.quota_rbs[0, 0].tolist()
    assert decision.control.policy_version == 9
    np.testing.assert_allclose(decision.control.beta, wanted.beta[0, 0], rtol=1e-6)
    np.testing.assert_array_equal(decision.observation, world.observe()[0, 0])


def test_exploring_draws_actions_and_exploiting_repeats_them(agent):
    world = World(n_replicas=1)
    agent.policy = Policy(constant_actor(0.0), version=1)
    assert (agent.decide(report(world)).action == agent.decide(report(world)).action).all()
    agent.exploring = True
    assert (agent.decide(report(world)).action != agent.decide(report(world)).action).any()


@pytest.mark.parametrize(
    ("changes", "quota"),
    [
        ({"observation": [float("nan")] * 18}, None),
        ({"observation": []}, None),
        ({"observation": [0.0] * 17}, None),
        ({"need_rbs": [float("nan"), 1.0, 1.0]}, [55, 15, 30]),
        ({"need_rbs": [float("inf"), 1.0, 1.0]}, [55, 15, 30]),
        ({"need_rbs": [-1.0, 1.0, 1.0]}, [55, 15, 30]),
        ({"need_rbs": []}, [55, 15, 30]),
        ({"need_rbs": [1e300, 0.0, 0.0]}, None),
        ({"need_rbs": [0.0, 0.0, 0.0]}, None),
    ],
)
def test_faulty_kpis_give_a_control_that_can_be_played_and_no_experience(agent, changes, quota):
    agent.policy = Policy(constant_actor(0.0), version=1)
    decision = agent.decide(report(World(n_replicas=1), **changes))
    given = list(decision.control.quota_rbs)
    assert len(given) == 3
    assert sum(given) <= 100
    if quota:
        assert given == quota
    if not decision.control.policy_version:
        assert decision.action is None


def test_another_network_is_a_conflict(agent):
    agent.enter(FACTS)
    with pytest.raises(Conflict, match="start the dApp anew"):
        agent.enter(RadioFacts(n_dus=2, n_rbs=100, observation="ext", observation_dim=18))


def test_an_actor_whose_numbers_overflow_gives_way_to_the_rule(agent):
    agent.policy = Policy(constant_actor(0.0), version=1)
    huge = report(World(n_replicas=1), observation=[3e38] * 18)
    agent.policy.actor._layers[0] = (np.full((1, 18, 4), 3e38, dtype=np.float32), agent.policy.actor._layers[0][1])
    agent.policy.actor._layers[1] = (np.full((1, 4, 10), 3e38, dtype=np.float32), agent.policy.actor._layers[1][1])
    assert agent.decide(huge).control.policy_version == 0


def test_for_a_critic_the_rule_is_told_as_actions_and_varied_only_while_one_learns(agent):
    world, rule = World(n_replicas=1), make_slicing_policy("need-tuned")
    wanted = rule.allocate(world).quota_rbs[0, 0]
    assert agent.decide(report(world)).action is None
    agent.decoding = "resid5"
    plain = agent.decide(report(world))
    assert plain.control.policy_version == 0
    assert plain.action.dtype == np.float32
    assert np.abs(np.array(plain.control.quota_rbs) - wanted).max() <= 1
    np.testing.assert_array_equal(plain.observation, world.observe()[0, 0])
    again = world.decode(np.broadcast_to(plain.action, (1, 6, 5)))
    assert list(plain.control.quota_rbs) == again.quota_rbs[0, 0].tolist()
    assert (agent.decide(report(world)).action == plain.action).all()
    agent.exploring = True
    drawn = agent.decide(report(world))
    assert (drawn.action != plain.action).all()
    assert sum(drawn.control.quota_rbs) == 100


def test_faulty_kpis_are_no_experience_even_for_a_critic(agent):
    agent.decoding = "resid5"
    for changes in ({"observation": [float("nan")] * 18}, {"need_rbs": []}):
        assert agent.decide(report(World(n_replicas=1), **changes)).action is None


def test_exploration_is_bounded(agent):
    wide = constant_actor(0.0)
    wide._layers[-1][1][..., 5:] = 3.0  # sigma e^2 without a bound
    agent.policy, agent.exploring = Policy(wide, version=1), True
    world = World(n_replicas=1)
    actions = np.array([agent.decide(report(world)).action for _ in range(300)])
    assert 0.04 < actions.std() < 0.08  # 0.25 times the sigmoid's slope of 1/4
