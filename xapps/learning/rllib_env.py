"""Ray RLlib on the routing environment: its masked module around `RoutingNetwork`, and a PPO configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.tune.registry import register_env

from ric_sim.envs.gym_env import RoutingEnv
from ric_sim.envs.observation import ObservationLayout
from ric_sim.network.city import City
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.scenario import Scenario
from xapps.learning.graphs import InlineGraphs
from xapps.learning.networks import NetworkShape, RoutingNetwork
from xapps.learning.ppo import PpoSettings

ENV_NAME = "ricity_routing"


class RoutingModule(TorchRLModule, ValueFunctionAPI):
    """Actor and critic on flat observations; the mask is part of them, so forbidden hops have no probability.

    `model_config`: `city` (City), `shape` (NetworkShape), `prior` (float), of `RoutingNetwork`.
    """

    network: RoutingNetwork

    def setup(self) -> None:
        """Makes the network."""
        config = cast("dict[str, Any]", self.model_config)
        city: City = config["city"]
        shape: NetworkShape = config["shape"]
        self.network = RoutingNetwork(city, shape, prior=float(config["prior"]))
        self._judge = InlineGraphs(ObservationLayout.of(episode_arrays(city)))

    def _forward(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        logits, values = self._judge(self.network, batch[Columns.OBS])
        return {Columns.ACTION_DIST_INPUTS: logits, Columns.EMBEDDINGS: values}

    def compute_values(self, batch: Mapping[str, Any], embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """float32 [n]; `embeddings` are the values of a forward pass on the same batch."""
        return embeddings if embeddings is not None else self._judge(self.network, batch[Columns.OBS])[1]


def ppo_config(
    scenario: Scenario, settings: PpoSettings, *, shape: NetworkShape, n_envs: int, seed: int, reward: str = "ours"
) -> PPOConfig:
    """RLlib's own PPO on `RoutingEnv`, sampled in this process, with the terms of our loss and no others.

    Args:
        n_envs: environments that the process steps in turn.
    """
    register_env(ENV_NAME, lambda config: RoutingEnv(**config))
    model = {"city": scenario.city, "shape": shape, "prior": 3.0}
    return (
        PPOConfig()
        .environment(ENV_NAME, env_config={"scenario": scenario, "reward": reward})
        .framework("torch")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=n_envs)
        .learners(num_learners=0)
        .rl_module(rl_module_spec=RLModuleSpec(module_class=RoutingModule, model_config=model))
        .training(
            lr=settings.learning_rate,
            gamma=settings.gamma,
            lambda_=settings.gae_lambda,
            clip_param=settings.clip,
            entropy_coeff=settings.entropy,
            vf_loss_coeff=settings.value,
            vf_clip_param=float("inf"),
            use_kl_loss=False,
            grad_clip=settings.max_grad_norm,
            num_epochs=settings.epochs,
            minibatch_size=settings.minibatch,
            train_batch_size_per_learner=settings.rollout,
        )
        .debugging(seed=seed)
    )
