from __future__ import annotations

import math

import pytest
import torch

from xapps.learning.slicing.gaussian import divergence, greedy, moments, sample


def test_log_density_of_a_squashed_action_is_the_known_one() -> None:
    """Case L04: mu 0, sigma 1, noise 0 in two dimensions: 2 (log 4 - log(2 pi) / 2)."""
    raw = math.atanh(5 / 3.5 - 1)  # log sigma 0
    outputs = torch.tensor([[0.0, 0.0, raw, raw]])
    action, log_density = sample(outputs, torch.zeros(1, 2))
    assert action.tolist() == [[0.5, 0.5]]
    assert float(log_density) == pytest.approx(2 * (math.log(4) - 0.5 * math.log(2 * math.pi)), abs=1e-6)


def test_log_density_integrates_to_one() -> None:
    outputs = torch.tensor([[0.7, 0.2]], dtype=torch.float64)
    mean, log_sigma = moments(outputs)
    grid = torch.linspace(1e-5, 1 - 1e-5, 200_001, dtype=torch.float64)
    noise = (torch.logit(grid) - mean) / log_sigma.exp()
    _, log_density = sample(outputs.expand(len(grid), 2), noise.T)
    assert float(torch.trapezoid(log_density.exp(), grid)) == pytest.approx(1.0, abs=1e-4)


def test_the_gradient_by_hand_is_the_numeric_one_and_so_is_its_own() -> None:
    generator = torch.Generator().manual_seed(4)
    outputs = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: sample(x, noise), outputs)
    assert torch.autograd.gradgradcheck(lambda x: sample(x, noise), outputs)


def test_the_greedy_action_is_the_sigmoid_of_the_mean() -> None:
    assert greedy(torch.tensor([0.0, math.log(3), 9.0, -9.0])).tolist() == pytest.approx([0.5, 0.75])


def test_far_out_actions_have_finite_densities() -> None:
    _, log_density = sample(torch.tensor([[80.0, -80.0, 0.0, 0.0]]), torch.zeros(1, 2))
    assert torch.isfinite(log_density).all()


def test_divergence_of_gaussians_is_the_textbook_one() -> None:
    outputs, reference = torch.tensor([[0.3, -0.2]]), torch.tensor([[-0.4, 0.1]])
    (mean, log_sigma), (old_mean, old_log_sigma) = moments(outputs), moments(reference)
    known = torch.distributions.kl_divergence(
        torch.distributions.Normal(old_mean, old_log_sigma.exp()), torch.distributions.Normal(mean, log_sigma.exp())
    ).sum()
    assert float(divergence(outputs, reference)) == pytest.approx(float(known), rel=1e-5)
    assert float(divergence(outputs, outputs)) == 0.0
