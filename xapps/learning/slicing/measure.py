"""Curvature of what a learner minimises, at its present weights, on a fixed batch with fixed noise (paper Fig. 9)."""

from __future__ import annotations

import torch

from xapps.learning.slicing.curvature import Extremes, hessian_product, lanczos
from xapps.learning.slicing.gaussian import standard_noise
from xapps.learning.slicing.replay import Batch
from xapps.learning.slicing.sac import SacLearner

N_STEPS = 8


def critic_curvature(learner: SacLearner, batch: Batch, *, n_steps: int = N_STEPS, seed: int = 0) -> Extremes:
    """Extreme eigenvalues [1] of the Hessian of the critics' joint loss, without dropout."""
    generator = torch.Generator().manual_seed(seed)
    prepared = learner.critic_pass(batch, generator, dropout=False)
    leaves = learner.critic_shape.leaves(learner.critics)
    loss, _ = learner.critic_loss(leaves, prepared)
    slopes = torch.autograd.grad(loss, leaves, create_graph=True)
    blocks = hessian_product(slopes, leaves)
    start = standard_noise((1, learner.critics.numel()), generator)
    return lanczos(lambda vector: blocks(vector.view_as(learner.critics)).view(1, -1), start, n_steps)


def actor_curvature(learner: SacLearner, batch: Batch, *, n_steps: int = N_STEPS, seed: int = 0) -> Extremes:
    """Extreme eigenvalues [M] of the Hessian of each actor's loss."""
    generator = torch.Generator().manual_seed(seed)
    noise = standard_noise(tuple(batch.action.shape), generator)
    leaves = learner.actor_shape.leaves(learner.actors)
    losses, _ = learner.actor_losses(leaves, learner.actor_pass(batch, noise))
    slopes = torch.autograd.grad(losses.sum(), leaves, create_graph=True)
    start = standard_noise(tuple(learner.actors.shape), generator)
    return lanczos(hessian_product(slopes, leaves), start, n_steps)
