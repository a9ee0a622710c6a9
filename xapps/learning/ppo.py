"""Proximal policy optimisation (Schulman et al. 2017) for masked routing decisions: one learner, its samples, its update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.domain.errors import TrainingDiverged
from xapps.learning.admission import AdmissionLearner
from xapps.learning.networks import RoutingBatch, RoutingNetwork
from xapps.learning.rollout import Decisions


@dataclass(frozen=True)
class PpoSettings:
    """Hyper-parameters (paper Table 4).

    Attributes:
        rollout: decisions a learner gathers before it updates.
        minibatch: decisions per gradient step; epochs: passes over a rollout.
        gamma, gae_lambda: discount and trace decay within one request's episode.
        clip: of the probability ratio. entropy: weight of the entropy bonus. value: weight of the value loss.
        max_grad_norm: gradients are scaled down to it.
    """

    rollout: int
    minibatch: int
    epochs: int
    learning_rate: float
    gamma: float
    gae_lambda: float
    clip: float = 0.2
    entropy: float = 0.001
    value: float = 0.5
    max_grad_norm: float = 0.5


@dataclass
class Samples:
    """n decisions ready to learn from; arrays as in `Decisions`, flattened. `graph` indexes `features` and `own`."""

    context: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    slots: npt.NDArray[np.float32]
    vertex: npt.NDArray[np.int64]
    slot_vertex: npt.NDArray[np.int64]
    graph: npt.NDArray[np.int64]
    action: npt.NDArray[np.int64]
    log_prob: npt.NDArray[np.float32]
    advantage: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    own: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.action)

    @staticmethod
    def concatenated(parts: Sequence[Samples]) -> Samples:
        """All of them, in order."""
        offsets = np.cumsum([0] + [len(part.own) for part in parts])
        columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Samples)}
        columns["graph"] = np.concatenate([part.graph + offset for part, offset in zip(parts, offsets, strict=False)])
        return Samples(**columns)

    def batch(self, rows: npt.NDArray[np.int64]) -> tuple[RoutingBatch, torch.Tensor, torch.Tensor]:
        """The network's input for some decisions, with the graphs they need."""
        graphs, local = np.unique(self.graph[rows], return_inverse=True)
        mask = self.mask[rows]
        batch = RoutingBatch(
            context=torch.from_numpy(self.context[rows]),
            mask=torch.from_numpy(mask),
            slots=torch.from_numpy(self.slots[rows][mask]),
            graph=torch.from_numpy(local),
            vertex=torch.from_numpy(self.vertex[rows]),
            slot_vertex=torch.from_numpy(self.slot_vertex[rows][mask]),
        )
        return batch, torch.from_numpy(self.features[graphs]), torch.from_numpy(self.own[graphs])


def advantages(decisions: Decisions, settings: PpoSettings) -> npt.NDArray[np.float32]:
    """Generalised advantage estimates, float32 [T, B]; an episode cut off by the end of the rollout is continued by its value."""
    reward, done = decisions.reward, decisions.done
    out = np.zeros_like(reward)
    following, trace = decisions.last_value, np.zeros(reward.shape[1], dtype=np.float32)
    for tick in range(len(reward) - 1, -1, -1):
        goes_on = ~done[tick]
        delta = reward[tick] + settings.gamma * following * goes_on - decisions.value[tick]
        trace = delta + settings.gamma * settings.gae_lambda * trace * goes_on
        out[tick] = trace
        following = decisions.value[tick]
    return out


def samples_of(decisions: Decisions, advantage: npt.NDArray[np.float32], services: Sequence[int]) -> Samples:
    """The decisions of some services (by index), with the graphs they refer to."""
    chosen = np.flatnonzero(np.isin(decisions.service.ravel(), services))

    def flat(name: str) -> np.ndarray:
        values = getattr(decisions, name)
        return values.reshape(-1, *values.shape[2:])[chosen]

    graphs, local = np.unique(flat("graph"), return_inverse=True)
    gained = advantage.ravel()[chosen]
    names = ("context", "mask", "slots", "vertex", "slot_vertex", "action", "log_prob")
    return Samples(
        **{name: flat(name) for name in names},
        graph=local.astype(np.int64),
        advantage=gained,
        target=gained + flat("value"),
        features=np.concatenate(decisions.features)[graphs],
        own=np.concatenate(decisions.own)[graphs],
    )


class PpoLearner:
    """One agent: its network, its optimiser, the samples it has not yet learnt from."""

    def __init__(self, name: str, network: RoutingNetwork, settings: PpoSettings, *, seed: int) -> None:
        self.name, self.network, self.settings = name, network, settings
        self._optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, eps=1e-5)
        self._rng = np.random.default_rng(seed)
        self._admission = AdmissionLearner(network, seed=seed)
        self._parts: list[Samples] = []
        self.n_updates = 0

    @property
    def n_waiting(self) -> int:
        """Decisions gathered since the last update."""
        return sum(len(part) for part in self._parts)

    def anneal(self, share: float) -> None:
        """Scales the learning rate to `share` (0-1) of where it began."""
        for group in self._optimiser.param_groups:
            group["lr"] = share * self.settings.learning_rate

    def add(self, samples: Samples) -> None:
        """Keeps decisions taken with the present network for the next update."""
        if len(samples):
            self._parts.append(samples)

    def update(self) -> dict[str, float] | None:
        """Learns once enough decisions are there: scalars of the update, or None.

        Raises:
            TrainingDiverged: a loss or a gradient is not finite; the network is as it was before the gradient step.
        """
        if self.n_waiting < self.settings.rollout:
            return None
        samples = Samples.concatenated(self._parts)
        self._parts.clear()
        self.n_updates += 1
        spread = float(samples.advantage.std())
        advantage = (samples.advantage - samples.advantage.mean()) / (spread + 1e-8)
        scalars = [self._step(samples, rows, advantage[rows]) for rows in self._minibatches(samples)]
        means = {name: float(np.mean([each[name] for each in scalars])) for name in scalars[0]}
        self._admission.learn(samples.context, samples.mask, samples.action, samples.target)
        return {**means, "advantage_std": spread, "return_mean": float(samples.target.mean()), "decisions": float(len(samples))}

    def _minibatches(self, samples: Samples) -> Iterator[npt.NDArray[np.int64]]:
        """Decisions in random order, those of one graph together, so that each graph is embedded once per epoch."""
        n_batches = max(1, round(len(samples) / self.settings.minibatch))
        for _ in range(self.settings.epochs):
            shuffled = self._rng.permutation(len(samples.own))[samples.graph]
            yield from np.array_split(np.argsort(shuffled, kind="stable"), n_batches)

    def _penalty(self) -> torch.Tensor:
        """What a gradient step minimises besides: nothing."""
        return torch.zeros(())

    def _step(self, samples: Samples, rows: npt.NDArray[np.int64], advantage: npt.NDArray[np.float32]) -> dict[str, float]:
        settings = self.settings
        logits, value = self.network(*samples.batch(rows))
        log_probs = torch.log_softmax(logits, dim=1)
        taken = log_probs.gather(1, torch.from_numpy(samples.action[rows])[:, None])[:, 0]
        log_ratio = taken - torch.from_numpy(samples.log_prob[rows])
        ratio, gained = log_ratio.exp(), torch.from_numpy(advantage)
        policy_loss = -torch.min(ratio * gained, ratio.clamp(1 - settings.clip, 1 + settings.clip) * gained).mean()
        value_loss = (value - torch.from_numpy(samples.target[rows])).pow(2).mean()
        entropy = -(log_probs.exp() * log_probs).sum(dim=1).mean()
        loss = policy_loss + settings.value * value_loss - settings.entropy * entropy + self._penalty()
        self._optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise TrainingDiverged(
                f"agent {self.name}, update {self.n_updates}: loss {float(loss)}, gradient norm {float(norm)}; expected finite "
                "numbers. Resume from the last checkpoint with a lower learning rate"
            )
        self._optimiser.step()
        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": entropy.item(),
            "kl": float((ratio - 1 - log_ratio).mean().item()),
            "clipped": float(((ratio - 1).abs() > settings.clip).float().mean().item()),
            "grad_norm": norm.item(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Network, optimiser, random stream and count of updates; samples that wait are not kept."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "rng": self._rng.bit_generator.state,
            "admission": self._admission.state_dict(),
            "n_updates": self.n_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._rng.bit_generator.state = state["rng"]
        self._admission.load_state_dict(state["admission"])
        self.n_updates = state["n_updates"]
        self._parts.clear()
