from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import TrainingDiverged
from tests.unit.xapps.learning.slicing.plans import ACTION_DIM, N_AGENTS, OBSERVATION_DIM, batches, learner
from xapps.learning.slicing.config import NetworkConfig, RegularisationConfig, RhoConfig, SacConfig, SamConfig
from xapps.learning.slicing.replay import Batch
from xapps.learning.slicing.sac import SacLearner
from xapps.learning.slicing.sam import perturbed

ZERO = RhoConfig(kind="static", start=0.0)
PARTS = ("actors", "critics", "targets", "log_temperature")


def _trained(n: int = 5, **options: Any) -> SacLearner:
    made = learner(**options)
    for batch in batches(n):
        made.update(batch)
    return made


def _same(one: SacLearner, other: SacLearner) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in PARTS)


def test_the_target_is_the_soft_value_of_the_next_state() -> None:
    """Case L05: Q targets 2 and 3 everywhere: y = r - r0 + gamma (2 - beta log pi)."""
    made, batch = learner(sac=SacConfig(gamma=0.9, temperature=0.1, reward_offset=1.7)), batches(1)[0]
    made.targets.zero_()
    made.critic_shape.split(made.targets)[-1][:, 0, 0] = torch.tensor([2.0, 3.0])
    made.actors.zero_()  # mu 0, log sigma -1.5
    prepared = made.critic_pass(batch, torch.Generator().manual_seed(5), dropout=False)
    noise = torch.randn(N_AGENTS, 8, ACTION_DIM, generator=torch.Generator().manual_seed(5))
    normal = torch.distributions.Normal(torch.zeros(()), torch.tensor(-1.5).exp())
    squashed = torch.distributions.TransformedDistribution(normal, [torch.distributions.transforms.SigmoidTransform()])
    log_density = squashed.log_prob((noise * torch.tensor(-1.5).exp()).sigmoid()).sum(dim=-1)
    expected = batch.reward - 1.7 + 0.9 * (2.0 - 0.1 * log_density)
    torch.testing.assert_close(prepared.targets, expected.flatten(), rtol=1e-4, atol=1e-4)


def test_sam_of_radius_zero_is_plain_adam_to_the_bit() -> None:
    plain = _trained()
    sharp = learner(sam=SamConfig(critic=True, actors="all", rho_actor=ZERO, rho_critic=ZERO))
    reference = learner()
    for batch in batches(5):
        sharp.update(batch)
        reference.update(batch)
    assert _same(sharp, plain)
    assert _same(reference, plain)


def test_a_second_pass_at_the_same_place_changes_nothing() -> None:
    """A radius too small to move any weight: both passes run, and agree to the bit, because noise and targets are the same."""
    tiny = RhoConfig(kind="static", start=1e-30)
    sharp = _trained(sam=SamConfig(critic=True, actors="all", rho_actor=tiny, rho_critic=tiny))
    assert _same(sharp, _trained())


def test_a_larger_radius_changes_the_step() -> None:
    sharp = _trained(n=1, sam=SamConfig(critic=True, actors="all"))
    plain = _trained(n=1)
    assert not torch.equal(sharp.critics, plain.critics)
    assert not torch.equal(sharp.actors, plain.actors)


def test_sam_of_a_linear_loss_is_plain() -> None:
    parameters = torch.tensor([[1.0, -2.0, 0.5]])
    slope = torch.tensor([[0.3, 0.1, -0.4]])

    def gradient_at(place: torch.Tensor) -> torch.Tensor:
        place = place.clone().requires_grad_()
        return torch.autograd.grad((slope * place).sum(), place)[0]

    there = perturbed(parameters, gradient_at(parameters), torch.tensor([0.7]))
    assert not torch.equal(there, parameters)
    assert torch.equal(gradient_at(there), gradient_at(parameters))


def test_the_critics_step_is_the_one_at_the_perturbed_weights() -> None:
    rho = RhoConfig(kind="static", start=0.1)
    sharp, batch = learner(sam=SamConfig(critic=True, rho_critic=rho, guard=None)), batches(1)[0]
    by_hand = learner()
    prepared = by_hand.critic_pass(batch, by_hand._noise, dropout=True)

    def slope_at(flat: torch.Tensor) -> torch.Tensor:
        flat = flat.clone().requires_grad_()
        loss, _ = by_hand.critic_loss(by_hand.critic_shape.split(flat), prepared)
        return torch.autograd.grad(loss, flat)[0]

    first = slope_at(by_hand.critics)
    there = by_hand.critics + 0.1 * first / first.norm()  # one norm over both critics
    expected = by_hand.critics.clone()
    expected.grad = slope_at(there)
    torch.optim.Adam([expected], lr=by_hand.plan.sac.learning_rate, fused=True).step()
    sharp.update(batch)
    torch.testing.assert_close(sharp.critics, expected.detach())


def test_only_chosen_agents_are_perturbed() -> None:
    """The others' step is the plain one, to the bit."""
    sam = SamConfig(actors="selected", threshold=2.0)
    loud = [Batch(b.observation, b.action, b.reward * torch.tensor([[5.0], [1.0], [1.0]]), b.following) for b in batches(1)]
    selective, plain = learner(sam=sam), learner()
    report = selective.update(loud[0])
    plain.update(loud[0])
    assert report.selected.tolist() == [True, False, False]
    assert not torch.equal(selective.actors[0], plain.actors[0])
    torch.testing.assert_close(selective.actors[1:], plain.actors[1:], rtol=0, atol=0)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_critics_of_the_action_alone_say_what_the_whole_critics_say(spectral_norm: bool) -> None:
    made = _trained(regularisation=RegularisationConfig(spectral_norm=spectral_norm))
    batch = batches(1)[0]
    whole = made._values(made.critic_shape.split(made.critics), batch.observation, batch.action)
    prepared = made.actor_pass(batch, torch.zeros(N_AGENTS, 8, ACTION_DIM))
    for rows in (torch.tensor([0, 1, 2]), torch.tensor([2, 0])):
        action = batch.action[rows].view(1, -1, ACTION_DIM).expand(made.n_critics, -1, -1)
        alone = made.critic_shape.forward(prepared.of(rows).critics, action)
        torch.testing.assert_close(alone.view(made.n_critics, len(rows), 8), whole[:, rows])


def test_a_stack_of_actors_updates_like_actors_alone() -> None:
    """Against plain modules: same noise, same critic, one Adam each."""
    made, batch = learner(), batches(1)[0]
    start = made.actors.clone()
    noise = torch.randn(N_AGENTS, 8, ACTION_DIM, generator=torch.Generator().manual_seed(9))
    leaves = made.actor_shape.leaves(made.actors)
    prepared = made.actor_pass(batch, noise)
    losses, _ = made.actor_losses(leaves, prepared)
    together = torch.cat([part.flatten(1) for part in torch.autograd.grad(losses.sum(), leaves)], dim=1)
    made._step("actors", made.actors, together, 0.0)
    for agent in range(N_AGENTS):
        alone = start[agent : agent + 1].clone()
        leaves = made.actor_shape.leaves(alone)
        loss, _ = made.actor_losses(leaves, prepared.of(torch.tensor([agent])))
        alone.grad = torch.cat([part.flatten(1) for part in torch.autograd.grad(loss.sum(), leaves)], dim=1)
        torch.optim.Adam([alone], lr=made.plan.sac.learning_rate, fused=True).step()
        torch.testing.assert_close(made.actors[agent : agent + 1], alone)


@pytest.mark.parametrize(
    "options",
    [
        {"sam": SamConfig(critic=True, actors="selected")},
        {"regularisation": RegularisationConfig(dropout=0.1, spectral_norm=True, weight_decay=1e-3)},
        {"regularisation": RegularisationConfig(head_reset_every=2, change_penalty=0.5)},
        {"network": NetworkConfig(hidden=(8, 8), activation="crelu", layer_norm=True), "sac": SacConfig(critics=1)},
    ],
)
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(options: dict[str, Any], tmp_path: Any) -> None:
    straight = _trained(n=8, **options)
    first = learner(**options)
    for batch in batches(8)[:3]:
        first.update(batch)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = learner(seed=99, **options)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=False))
    for batch in batches(8)[3:]:
        second.update(batch)
    assert _same(straight, second)
    assert np.array_equal(straight.selection.variances, second.selection.variances)


@pytest.mark.parametrize("part", ["reward", "observation"])
def test_numbers_that_are_not_finite_end_training_with_the_weights_as_they_were(part: str) -> None:
    made, batch = _trained(), batches(1)[0]
    before = [getattr(made, name).clone() for name in PARTS]
    getattr(batch, part)[0, 0] = torch.nan
    with pytest.raises(TrainingDiverged, match="lower learning rate"):
        made.update(batch)
    assert all(torch.equal(getattr(made, name), kept) for name, kept in zip(PARTS, before, strict=True))


def test_regularisers_do_what_they_are_called() -> None:
    plain = _trained(n=30)
    decayed = _trained(n=30, regularisation=RegularisationConfig(weight_decay=1.0))
    assert decayed.critics.norm() < plain.critics.norm()
    made = learner(regularisation=RegularisationConfig(spectral_norm=True))
    for _ in range(50):
        made._before_update()
    weight = made.critic_shape.split(made.critics)[0]
    norms = made._spectral.norms(0, weight)  # type: ignore[union-attr]
    torch.testing.assert_close(torch.linalg.matrix_norm(weight / norms, ord=2), torch.ones(2), rtol=1e-2, atol=0)
    slow = _trained(n=30, regularisation=RegularisationConfig(change_penalty=100.0))
    start = learner().actors
    assert (slow.actors - start).norm() < (plain.actors - start).norm()


def test_fresh_heads_keep_the_layers_below() -> None:
    made = _trained(n=2, regularisation=RegularisationConfig(head_reset_every=2))
    below, head = made.critics[:, : made.critic_shape.head.start].clone(), made.critics[:, made.critic_shape.head].clone()
    made._before_update()
    assert torch.equal(made.critics[:, : made.critic_shape.head.start], below)
    assert not torch.equal(made.critics[:, made.critic_shape.head], head)


def test_td_error_variance_ranks_agents_by_noise() -> None:
    made = learner()
    for batch in batches(50, rows=32):
        made.update(Batch(batch.observation, batch.action, batch.reward * torch.tensor([[0.1], [1.0], [3.0]]), batch.following))
    assert list(np.argsort(made.selection.variances)) == [0, 1, 2]


def test_it_learns_what_pays() -> None:
    """One-step task: the reward is highest where the action equals the sigmoid of the first two observations."""
    made = learner(sac=SacConfig(batch=32, gamma=0.0, reward_offset=0.0, temperature=0.01, learning_rate=3e-3))
    generator = torch.Generator().manual_seed(3)

    def loss_of_greedy() -> float:
        observation = torch.randn(200, N_AGENTS, OBSERVATION_DIM, generator=generator)
        action = torch.from_numpy(made.act(observation.numpy(), explore=False))
        return float((action - observation[..., :ACTION_DIM].sigmoid()).square().mean())

    before = loss_of_greedy()
    for _ in range(600):
        observation = torch.randn(N_AGENTS, 32, OBSERVATION_DIM, generator=generator)
        action = torch.rand(N_AGENTS, 32, ACTION_DIM, generator=generator)
        reward = -10 * (action - observation[..., :ACTION_DIM].sigmoid()).square().sum(dim=-1)
        made.update(Batch(observation, action, reward, observation))
    assert loss_of_greedy() < 0.35 * before
