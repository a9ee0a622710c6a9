"""One more agent while learning goes on: its actor is a copy of a neighbour's, and the critic knows it as that neighbour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ric_sim.domain.errors import OutOfRange
from xapps.learning.slicing.sac import SacLearner


def with_clone(learner: SacLearner, like: int, *, seed: int) -> SacLearner:
    """A learner of M + 1 agents; the first M, the critic and all optimisers go on as they were.

    Args:
        like: the agent the new one copies: actor, temperature, TD-error variance, and the critic's view of it.
        seed: of the new learner's noise.
    Raises:
        OutOfRange: no such agent.
    """
    plan = learner.plan
    if not 0 <= like < plan.n_agents:
        raise OutOfRange(f"agent {like}: expected 0 to {plan.n_agents - 1}; name one that learns already")
    grown = SacLearner(replace(plan, n_agents=plan.n_agents + 1), seed=seed)
    state = learner.state_dict()
    width = learner.critic_shape.layers[0][1]
    first_own = (plan.observation_dim + plan.action_dim + like) * width
    last = learner.critic_shape.layers[0][0] * width

    def with_input(flat: Tensor) -> Tensor:
        """Critic parameters [C, P] with another row of the first layer's weight, the neighbour's."""
        return torch.cat((flat[:, :last], flat[:, first_own : first_own + width], flat[:, last:]), dim=1)

    def with_row(rows: Tensor) -> Tensor:
        return torch.cat((rows, rows[like : like + 1]))

    tensors = state["tensors"]
    state["tensors"] = {name: (with_input if name in ("critics", "targets") else with_row)(tensors[name]) for name in tensors}
    for name, optimiser in state["optimisers"].items():
        widen = with_input if name == "critics" else with_row
        optimiser["state"] = {
            key: {what: widen(values) if values.dim() else values for what, values in moments.items()}
            for key, moments in optimiser["state"].items()
        }
    state["noise"] = torch.Generator().manual_seed(seed).get_state()
    if len(state["selection"]["variances"]):
        for what in ("variances", "chosen"):
            state["selection"][what] = np.append(state["selection"][what], state["selection"][what][like])
    if state["spectral"] is not None:
        left = state["spectral"]["left"]
        left[0] = torch.cat((left[0], torch.zeros_like(left[0][:, :1])), dim=1)  # norms stay as they are until the next refresh
    grown.load_state_dict(state)
    return grown
