"""The squashed Gaussian of the actors: u ~ N(mu, sigma), action = sigmoid(u) in (0, 1)^d."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

LOG_SIGMA_LOW, LOG_SIGMA_HIGH = -5.0, 2.0
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def moments(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """mu and log sigma [..., d] of a network's outputs [..., 2 d]; log sigma is squashed into [-5, 2]."""
    mean, raw = outputs.chunk(2, dim=-1)
    half = 0.5 * (LOG_SIGMA_HIGH - LOG_SIGMA_LOW)
    return mean, LOG_SIGMA_LOW + half * (raw.tanh() + 1)


def sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions [..., d] in (0, 1) and their log densities [...] for standard normal noise [..., d].

    log pi(a) = sum(-noise^2 / 2 - log sigma - log(2 pi) / 2) + sum(softplus(u) + softplus(-u)), the last sum being minus the
    logarithm of the sigmoid's slope.
    """
    mean, log_sigma = moments(outputs)
    latent = mean + log_sigma.exp() * noise
    stretch = latent + 2 * softplus(-latent)  # softplus(u) + softplus(-u), with one of them less
    return latent.sigmoid(), (stretch - 0.5 * noise.square() - log_sigma - _HALF_LOG_2PI).sum(dim=-1)


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
