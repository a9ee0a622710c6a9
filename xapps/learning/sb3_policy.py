"""`RoutingNetwork` as the policy of sb3-contrib's MaskablePPO."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer, MaskableRolloutBufferSamples
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor
from typing_extensions import override

from xapps.learning.graphs import Judge
from xapps.learning.networks import RoutingNetwork


class RoutingPolicy(MaskableActorCriticPolicy):
    """Logits of the pointer head go straight into the masked categorical distribution; no other layer is added."""

    def __init__(
        self,
        observation_space: spaces.Box,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        *,
        judge: Judge,
        make_network: Callable[[], RoutingNetwork],
        **kwargs: Any,
    ) -> None:
        """
        Args:
            judge: how the network is applied to the environment's observations.
            make_network: called once, after the library has set the seed.
        """
        self._make_network = make_network
        self._judge = judge
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        self.network = self._make_network()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr_schedule(1), eps=1e-5)

    @override
    def set_training_mode(self, mode: bool) -> None:
        """Also forgets what was computed with the network as it was before training."""
        super().set_training_mode(mode)
        if mode:
            self._judge.forget()

    @override
    def forward(
        self, obs: PyTorchObs, deterministic: bool = False, action_masks: np.ndarray | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        distribution, values = self._judged(obs, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, distribution.log_prob(actions)

    @override
    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor, action_masks: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        distribution, values = self._judged(obs, action_masks)
        return values, distribution.log_prob(actions), distribution.entropy()

    @override
    def get_distribution(self, obs: PyTorchObs, action_masks: np.ndarray | None = None) -> MaskableDistribution:
        return self._judged(obs, action_masks)[0]

    @override
    def predict_values(self, obs: PyTorchObs) -> Tensor:
        return self._judged(obs, None)[1]

    def _judged(self, obs: PyTorchObs, action_masks: Any) -> tuple[MaskableDistribution, Tensor]:
        assert isinstance(obs, Tensor)
        logits, values = self._judge(self.network, obs)
        distribution = self.action_dist.proba_distribution(action_logits=logits)
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution, values[:, None]


class GroupedBuffer(MaskableRolloutBuffer):
    """Minibatches in random order in which decisions of one graph stay together, so that an epoch embeds each graph once."""

    def __init__(self, *args: Any, graph_column: int, seed: int, **kwargs: Any) -> None:
        """`graph_column`: where in an observation the number of its graph is."""
        self._graph_column = graph_column
        self.rng = np.random.default_rng(seed)
        super().__init__(*args, **kwargs)

    def get(self, batch_size: int | None = None) -> Generator[MaskableRolloutBufferSamples, None, None]:  # type: ignore[override]
        """One pass, in equal minibatches of about `batch_size`."""
        total = self.buffer_size * self.n_envs
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns", "action_masks"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        number = self.observations[:, self._graph_column].astype(np.int64)
        shuffled = self.rng.permutation(int(number.max()) + 1)[number]
        n_batches = max(1, round(total / (batch_size or total)))
        for rows in np.array_split(np.argsort(shuffled, kind="stable"), n_batches):
            yield self._get_samples(rows)
