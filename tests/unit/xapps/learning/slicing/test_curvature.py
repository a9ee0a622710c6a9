from __future__ import annotations

import numpy as np
import torch

from tests.unit.xapps.learning.slicing.plans import batches, learner
from xapps.learning.slicing.config import RhoConfig, SamConfig
from xapps.learning.slicing.curvature import hessian_product, lanczos
from xapps.learning.slicing.measure import actor_curvature, critic_curvature


def test_extremes_of_known_operators() -> None:
    spectra = torch.tensor([[5.0, -2.0, 1.0, 0.5], [3.0, 3.0, 3.0, 3.0]])
    found = lanczos(lambda vectors: spectra * vectors, torch.ones(2, 4), 4)
    np.testing.assert_allclose(found.largest, [5.0, 3.0], rtol=1e-4)
    np.testing.assert_allclose(found.smallest, [-2.0, 3.0], rtol=1e-4)


def test_the_hessian_of_a_quadratic_is_its_matrix() -> None:
    matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    leaf = torch.tensor([[0.3, -0.7]], requires_grad=True)
    loss = 0.5 * (leaf @ matrix @ leaf.T).sum()
    product = hessian_product(torch.autograd.grad(loss, [leaf], create_graph=True), [leaf])
    torch.testing.assert_close(product(torch.tensor([[1.0, 2.0]])), torch.tensor([[6.0, 7.0]]))
    expected = np.linalg.eigvalsh(matrix.numpy())
    found = lanczos(product, torch.tensor([[1.0, 0.2]]), 8)
    np.testing.assert_allclose([found.smallest[0], found.largest[0]], expected, rtol=1e-4)


def test_a_critics_curvature_is_that_of_its_whole_hessian() -> None:
    trained, batch = learner(), batches(1)[0]
    found = critic_curvature(trained, batch, n_steps=30)
    generator = torch.Generator().manual_seed(0)
    prepared = trained.critic_pass(batch, generator, dropout=False)

    def loss(flat: torch.Tensor) -> torch.Tensor:
        return trained.critic_loss(trained.critic_shape.split(flat.view_as(trained.critics)), prepared)[0]

    whole = torch.autograd.functional.hessian(loss, trained.critics.flatten())
    values = torch.linalg.eigvalsh(whole)
    np.testing.assert_allclose(found.largest[0], float(values[-1]), rtol=1e-3)


def test_sharpness_aware_steps_end_where_the_loss_is_flatter() -> None:
    sharp = SamConfig(critic=True, rho_critic=RhoConfig(kind="static", start=0.6), guard=None)
    plain, flat = learner(), learner(sam=sharp)
    experience = batches(20, rows=32)
    for index in range(250):
        for each in (plain, flat):
            each.update(experience[index % 20])
    measured = [np.mean([critic_curvature(each, batch).largest[0] for batch in experience[:5]]) for each in (plain, flat)]
    assert measured[1] < 0.75 * measured[0]


def test_actors_are_measured_one_by_one() -> None:
    trained, batch = learner(), batches(1)[0]
    before = actor_curvature(trained, batch).largest
    trained.actors[1] *= 3
    after = actor_curvature(trained, batch).largest
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], rtol=1e-3)
    assert abs(after[1] - before[1]) > 1e-3 * abs(before[1])
