"""The squashed Gaussian of the actors: u ~ N(mu, sigma), action = sigmoid(u) in (0, 1)^d."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

LOG_SIGMA_LOW, LOG_SIGMA_HIGH = -5.0, 2.0
_MIDDLE, _HALF_RANGE = 0.5 * (LOG_SIGMA_HIGH + LOG_SIGMA_LOW), 0.5 * (LOG_SIGMA_HIGH - LOG_SIGMA_LOW)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def moments(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """mu and log sigma [..., d] of a network's outputs [..., 2 d]; log sigma is squashed into [-5, 2]."""
    mean, raw = outputs.chunk(2, dim=-1)
    return mean, _HALF_RANGE * raw.tanh() + _MIDDLE


def sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions [..., d] in (0, 1) and their log densities [...] for standard normal noise [..., d].

    log pi(a) = sum(-noise^2 / 2 - log sigma - log(2 pi) / 2) + sum(softplus(u) + softplus(-u)), the last sum being minus the
    logarithm of the sigmoid's slope.
    """
    action, log_density = _Squashed.apply(outputs, noise)
    return action, log_density


class _Squashed(torch.autograd.Function):
    """`sample` with its gradient by hand: on small batches the dispatch of some thirty small operations costs more than they do.

    The gradient is made of inputs and outputs only, so that it can be differentiated once more, for curvature.
    """

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sigma = moments(outputs)
        latent = torch.addcmul(mean, log_sigma.exp(), noise)
        stretch = latent + 2 * softplus(-latent)  # softplus(u) + softplus(-u), with one of them less
        action = latent.sigmoid()
        ctx.save_for_backward(outputs, noise, action)
        return action, (stretch - 0.5 * noise.square() - log_sigma - _HALF_LOG_2PI).sum(dim=-1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """With u = mu + sigma noise: da/du = a (1 - a), d log pi/du = 2 a - 1, du/d log sigma = sigma noise."""
        outputs, noise, action = ctx.saved_tensors
        by_action, by_density = slopes[0], slopes[1].unsqueeze(-1)
        bend = outputs.chunk(2, dim=-1)[1].tanh()
        by_latent = by_action * (action - action * action) + by_density * (2 * action - 1)
        by_log_sigma = by_latent * noise * (_HALF_RANGE * bend + _MIDDLE).exp() - by_density
        return torch.cat((by_latent, by_log_sigma * (_HALF_RANGE - _HALF_RANGE * bend * bend)), dim=-1), None


def greedy(outputs: Tensor) -> Tensor:
    """The deterministic actions, sigmoid(mu)."""
    return moments(outputs)[0].sigmoid()


def divergence(outputs: Tensor, reference: Tensor) -> Tensor:
    """KL(reference || policy) [...] in nats; squashing does not change it."""
    mean, log_sigma = moments(outputs)
    old_mean, old_log_sigma = moments(reference)
    ratio = (2 * (old_log_sigma - log_sigma)).exp()
    shift = ((old_mean - mean) * (-log_sigma).exp()).square()
    return (log_sigma - old_log_sigma + 0.5 * (ratio + shift - 1)).sum(dim=-1)


def standard_noise(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal numbers from a stream."""
    return torch.randn(*size, generator=generator)
