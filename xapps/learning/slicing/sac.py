"""Soft actor-critic for M actors and one global critic at once (Haarnoja et al. 2018; paper section IV, Algorithm 1).

The critic is one or two networks over (observation, action, agent): it learns from all agents' transitions and every actor learns
from it. Target networks and the minimum of two are standard; the entropy term of the target is that of the next action.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ric_sim.domain.errors import TrainingDiverged
from xapps.learning.slicing.config import NetworkConfig, RegularisationConfig, SacConfig, SamConfig
from xapps.learning.slicing.gaussian import divergence, greedy, sample, standard_noise
from xapps.learning.slicing.passes import ActorPass, CriticPass
from xapps.learning.slicing.replay import Batch
from xapps.learning.slicing.sam import SharpnessGuard, TdSelection, perturbed
from xapps.learning.slicing.stacked import MlpShape, SpectralNorm, Views, dropout_masks, gradient

_LOG_TEMPERATURE = (-8.0, 1.0)


@dataclass(frozen=True)
class LearnerPlan:
    """What a learner is.

    Attributes:
        n_agents, observation_dim, action_dim: M, o, d. n_updates: after which radii have reached their end.
    """

    n_agents: int
    observation_dim: int
    action_dim: int
    n_updates: int
    network: NetworkConfig
    sac: SacConfig
    regularisation: RegularisationConfig
    sam: SamConfig


@dataclass(frozen=True)
class UpdateReport:
    """One update; arrays are [M].

    Attributes:
        critic_loss: mean squared TD error, summed over the critics. sharpness: L(theta+) / L(theta), 1 without critic-SAM.
        actor_loss, entropy (nats), temperature: by agent.
        td_variance: moving averages. selected: who is under SAM. rho_actor, rho_critic: radii used, 0 where none was.
    """

    critic_loss: float
    sharpness: float
    rho_critic: float
    actor_loss: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    temperature: npt.NDArray[np.float32]
    td_variance: npt.NDArray[np.float64]
    selected: npt.NDArray[np.bool_]
    rho_actor: npt.NDArray[np.float64]


class SacLearner:
    """Actors, critics, temperatures, their optimisers and their slow copies."""

    def __init__(self, plan: LearnerPlan, *, seed: int) -> None:
        self.plan, network = plan, plan.network
        style = (network.activation, network.layer_norm)
        self.actor_shape = MlpShape(plan.observation_dim, network.hidden, 2 * plan.action_dim, *style)
        n_critic_inputs = plan.observation_dim + plan.action_dim + plan.n_agents
        self.critic_shape = MlpShape(n_critic_inputs, network.hidden, 1, *style)
        self._noise = torch.Generator().manual_seed(seed)
        self.actors = self.actor_shape.initial(plan.n_agents, self._noise, head_scale=network.head_scale)
        self.n_critics = plan.sac.critics
        self.critics = self.critic_shape.initial(self.n_critics, self._noise)
        self.targets = self.critics.clone()
        self.reference = self.actors.clone()
        self.log_temperature = torch.full((plan.n_agents,), float(np.log(plan.sac.temperature)))
        decay, rate = plan.regularisation.weight_decay, plan.sac.learning_rate
        self._optimisers = {
            "actors": torch.optim.Adam([self.actors], lr=rate, weight_decay=decay, fused=True),
            "critics": torch.optim.Adam([self.critics], lr=rate, weight_decay=decay, fused=True),
            "temperatures": torch.optim.Adam([self.log_temperature], lr=rate),
        }
        sam = plan.sam
        self.selection = TdSelection(plan.n_agents, sam.threshold, sam.hysteresis, sam.decay, sam.absolute_threshold)
        self.guard = SharpnessGuard(sam.guard)
        self._spectral: SpectralNorm | None = None
        if plan.regularisation.spectral_norm:
            self._spectral = SpectralNorm(self.critic_shape, self.n_critics, self._noise)
        self._identity = torch.eye(plan.n_agents)[:, None, :]
        self.n_updates = 0

    # --- acting ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, observation: npt.NDArray[np.float32], *, explore: bool) -> npt.NDArray[np.float32]:
        """Actions float32 [B, M, d] in [0, 1] for observations float32 [B, M, o]."""
        outputs = self.actor_shape.forward(self.actor_shape.split(self.actors), torch.from_numpy(observation).transpose(0, 1))
        if explore:
            action = sample(outputs, standard_noise((*outputs.shape[:2], self.plan.action_dim), self._noise))[0]
        else:
            action = greedy(outputs)
        return action.transpose(0, 1).contiguous().numpy()

    # --- learning ----------------------------------------------------------------------------------------------------

    def update(self, batch: Batch) -> UpdateReport:
        """One step of critics, actors and temperatures, in this order.

        Raises:
            TrainingDiverged: a loss or gradient is not finite; critics, actors and temperatures are as before the step that
                would have used it.
        """
        self._before_update()
        ratio = min(1.0, self.n_updates / self.plan.n_updates)
        self._anneal(ratio)
        critic_loss, sharpness, rho_critic = self._update_critics(batch, ratio)
        actor_loss, log_density, rho_actor = self._update_actors(batch, ratio)
        self._update_temperatures(log_density)
        with torch.no_grad():
            self.targets.lerp_(self.critics, self.plan.sac.target_rate)
            if self.plan.regularisation.change_penalty:
                self.reference.lerp_(self.actors, self.plan.regularisation.change_rate)
        self.n_updates += 1
        return UpdateReport(
            critic_loss,
            sharpness,
            rho_critic,
            actor_loss=actor_loss.numpy(),
            entropy=-log_density.numpy(),
            temperature=self.log_temperature.exp().numpy(),
            td_variance=self.selection.variances,
            selected=rho_actor > 0,
            rho_actor=rho_actor,
        )

    def _anneal(self, done_ratio: float) -> None:
        first, last = self.plan.sac.learning_rate, self.plan.sac.final_learning_rate
        if last is not None:
            for optimiser in self._optimisers.values():
                optimiser.param_groups[0]["lr"] = first + (last - first) * done_ratio

    def _before_update(self) -> None:
        every = self.plan.regularisation.head_reset_every
        if every and self.n_updates and self.n_updates % every == 0:
            self._reset_heads()
        if self._spectral is not None:
            self._spectral.refresh(self.critic_shape.split(self.critics))

    def _update_critics(self, batch: Batch, done_ratio: float) -> tuple[float, float, float]:
        """Loss, L(theta+) / L(theta), radius."""
        prepared = self.critic_pass(batch, self._noise, dropout=True)
        leaves = self.critic_shape.leaves(self.critics)
        loss, td_error = self.critic_loss(leaves, prepared)
        slope = gradient(loss, leaves)
        value = float(loss.detach())
        variances = td_error.view(self.plan.n_agents, -1).var(dim=1, correction=0).double().numpy()
        if not np.isfinite(variances).all():
            raise self._diverged("critic", value)
        self.selection.observe(variances)
        sharpness, rho = 1.0, 0.0
        if self.plan.sam.critic:
            mean = self.selection.variances.mean(keepdims=True)
            schedule = self.plan.sam.rho_critic.schedule
            rho = self.guard.scale * float(schedule.radii(done_ratio, mean, self.selection.peak)[0])
            joint = perturbed(self.critics.view(1, -1), slope.view(1, -1), torch.tensor([rho]))
            leaves = self.critic_shape.leaves(joint.view_as(self.critics))
            loss, _ = self.critic_loss(leaves, prepared)
            slope = gradient(loss, leaves)
            sharpness = float(loss.detach()) / max(value, 1e-12)
            self.guard.observe(sharpness)
        self._step("critics", self.critics, slope, value)
        return value, sharpness, rho

    @torch.no_grad()
    def critic_pass(self, batch: Batch, generator: torch.Generator, *, dropout: bool) -> CriticPass:
        """Targets y = r - r0 + gamma (min_j Qtarget_j(s', a') - beta log pi(a'|s')), once for both passes (case L05)."""
        sac, n_rows = self.plan.sac, batch.reward.numel()
        outputs = self.actor_shape.forward(self.actor_shape.split(self.actors), batch.following)
        action, log_density = sample(outputs, standard_noise(tuple(batch.action.shape), generator))
        masks, rate = None, self.plan.regularisation.dropout
        if dropout and rate:
            masks = dropout_masks(self.critic_shape, (self.n_critics, n_rows), rate, generator)
        value = self._values(self.critic_shape.split(self.targets), batch.following, action).amin(dim=0)
        soft = value - self.log_temperature.exp()[:, None] * log_density
        targets = batch.reward - sac.reward_offset + sac.gamma * soft
        return CriticPass(self._critic_inputs(batch.observation, batch.action), targets.reshape(-1), masks)

    def critic_loss(self, views: Views, prepared: CriticPass) -> tuple[Tensor, Tensor]:
        """Sum over the critics of the mean squared TD error, and y - Q1 [M b] without a graph."""
        values = self.critic_shape.forward(views, prepared.inputs, masks=prepared.masks, spectral=self._spectral)[..., 0]
        error = prepared.targets - values
        return error.square().mean(dim=1).sum(), error[0].detach()

    def _update_actors(self, batch: Batch, done_ratio: float) -> tuple[Tensor, Tensor, npt.NDArray[np.float64]]:
        """Losses [M], mean log densities [M], radii [M] (0 where no SAM was applied)."""
        prepared = self.actor_pass(batch, standard_noise(tuple(batch.action.shape), self._noise))
        leaves = self.actor_shape.leaves(self.actors)
        losses, log_density = self.actor_losses(leaves, prepared)
        slope = gradient(losses.sum(), leaves)
        rho = self._actor_radii(done_ratio)
        if len(under_sam := np.flatnonzero(rho)):
            rows, radii = torch.from_numpy(under_sam), torch.from_numpy(rho[under_sam]).float()
            moved = perturbed(self.actors.index_select(0, rows), slope.index_select(0, rows), radii)
            leaves = self.actor_shape.leaves(moved)
            again, _ = self.actor_losses(leaves, prepared if len(rows) == self.plan.n_agents else prepared.of(rows))
            slope.index_copy_(0, rows, gradient(again.sum(), leaves))
        self._step("actors", self.actors, slope, float(losses.detach().sum()))
        return losses.detach(), log_density, rho

    @torch.no_grad()
    def actor_pass(self, batch: Batch, noise: Tensor) -> ActorPass:
        """Everything about a batch that does not depend on the actors."""
        views, (n_obs, n_act) = self.critic_shape.split(self.critics), (self.plan.observation_dim, self.plan.action_dim)
        if self._spectral is not None:
            views = self._spectral.divided(views)
        by_observation, by_action, by_agent = views[0].split((n_obs, n_act, self.plan.n_agents), dim=1)
        rows = batch.observation.reshape(1, -1, n_obs).expand(self.n_critics, -1, -1)
        of_agent = (by_agent + views[1]).repeat_interleave(noise.shape[1], dim=1)
        known = torch.baddbmm(of_agent, rows, by_observation)
        former = None
        if self.plan.regularisation.change_penalty:
            former = self.actor_shape.forward(self.actor_shape.split(self.reference), batch.observation)
        temperature = self.log_temperature.exp()[:, None]
        return ActorPass(batch.observation, noise, temperature, (by_action, known, *views[2:]), former)

    def actor_losses(self, views: Views, prepared: ActorPass) -> tuple[Tensor, Tensor]:
        """mean(beta log pi - min_j Q_j(s, a)) [m] of actors with these parameters, and their mean log densities."""
        outputs = self.actor_shape.forward(views, prepared.observation)
        action, log_density = sample(outputs, prepared.noise)
        rows = action.view(1, -1, self.plan.action_dim).expand(self.n_critics, -1, -1)
        value = self.critic_shape.forward(prepared.critics, rows).view(self.n_critics, *log_density.shape).amin(dim=0)
        losses = (prepared.temperature * log_density - value).mean(dim=1)
        if prepared.former is not None:
            losses = losses + self.plan.regularisation.change_penalty * divergence(outputs, prepared.former).mean(dim=1)
        return losses, log_density.detach().mean(dim=1)

    def _actor_radii(self, done_ratio: float) -> npt.NDArray[np.float64]:
        sam, selection = self.plan.sam, self.selection
        if sam.actors == "none":
            return np.zeros(self.plan.n_agents)
        radii = sam.rho_actor.schedule.radii(done_ratio, selection.variances, selection.peak)
        return radii if sam.actors == "all" else np.where(selection.chosen, radii, 0.0)

    def _update_temperatures(self, log_density: Tensor) -> None:
        """Towards the target entropy, -beta (log pi + H) downhill in log beta."""
        if not self.plan.sac.automatic_temperature:
            return
        missing = log_density + self.plan.sac.target_entropy * self.plan.action_dim
        self._step("temperatures", self.log_temperature, -self.log_temperature.exp() * missing, float(missing.sum()))
        self.log_temperature.clamp_(*_LOG_TEMPERATURE)

    def _critic_inputs(self, observation: Tensor, action: Tensor) -> Tensor:
        """[C, M b, o + d + M], all C critics alike."""
        joint = torch.cat((observation, action, self._identity.expand(-1, observation.shape[1], -1)), dim=2)
        return joint.view(1, -1, joint.shape[2]).expand(self.n_critics, -1, -1)

    def _values(self, views: Views, observation: Tensor, action: Tensor) -> Tensor:
        """Q [C, M, b]; without dropout: only the critics' own fit is regularised by it."""
        values = self.critic_shape.forward(views, self._critic_inputs(observation, action), spectral=self._spectral)
        return values.view(self.n_critics, *observation.shape[:2])

    def _step(self, name: str, parameters: Tensor, slope: Tensor, loss: float) -> None:
        """Adam, from the unperturbed parameters. What is not finite in a first pass is not finite in the second either."""
        if not (np.isfinite(loss) and bool(torch.isfinite(slope).all())):
            raise self._diverged(name, loss)
        parameters.grad = slope
        self._optimisers[name].step()

    def _diverged(self, what: str, loss: float) -> TrainingDiverged:
        return TrainingDiverged(
            f"{what}, update {self.n_updates}: loss {loss} or its gradient is not finite; resume from the last checkpoint with a "
            "lower learning rate or radius"
        )

    def _reset_heads(self) -> None:
        """Fresh last layers, and nothing remembered of their gradients."""
        for name, shape, scale in (
            ("actors", self.actor_shape, self.plan.network.head_scale),
            ("critics", self.critic_shape, 1.0),
        ):
            parameters: Tensor = getattr(self, name)
            parameters[:, shape.head] = shape.initial(len(parameters), self._noise, head_scale=scale)[:, shape.head]
            for key in ("exp_avg", "exp_avg_sq"):
                self._optimisers[name].state[parameters][key][:, shape.head] = 0.0

    # --- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed learner needs to go on as if it had never stopped, as copies: torch's own dictionaries alias."""
        return {
            "tensors": {name: getattr(self, name).clone() for name in _TENSORS},
            "optimisers": {name: deepcopy(optimiser.state_dict()) for name, optimiser in self._optimisers.items()},
            "noise": self._noise.get_state(),
            "selection": self.selection.state_dict(),
            "guard": self.guard.scale,
            "spectral": self._spectral.state_dict() if self._spectral else None,
            "n_updates": self.n_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in _TENSORS:
            getattr(self, name).copy_(state["tensors"][name])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(deepcopy(state["optimisers"][name]))
        self._noise.set_state(state["noise"])
        self.selection.load_state_dict(state["selection"])
        self.guard.scale, self.n_updates = state["guard"], state["n_updates"]
        if self._spectral:
            self._spectral.load_state_dict(state["spectral"])


_TENSORS = ("actors", "critics", "targets", "reference", "log_temperature")
