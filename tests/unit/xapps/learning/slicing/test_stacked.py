from __future__ import annotations

import pytest
import torch

from xapps.learning.slicing.stacked import MlpShape, SpectralNorm, dropout_masks, gradient


def _stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("activation", ["relu", "tanh", "crelu"])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_stack_is_its_networks_side_by_side(activation: str, layer_norm: bool) -> None:
    shape = MlpShape(5, (8, 6), 3, activation, layer_norm)  # type: ignore[arg-type]
    flat = shape.initial(4, _stream())
    inputs = torch.randn(4, 7, 5, generator=_stream(1))
    stacked = shape.forward(shape.split(flat), inputs)
    alone = [shape.forward(shape.split(flat[row : row + 1]), inputs[row : row + 1]) for row in range(4)]
    assert stacked.shape == (4, 7, 3)
    torch.testing.assert_close(stacked, torch.cat(alone))


def test_a_stack_computes_what_modules_compute() -> None:
    shape = MlpShape(5, (8, 6), 3)
    flat = shape.initial(1, _stream())
    views = shape.split(flat)
    layers = [torch.nn.Linear(n_in, n_out) for n_in, n_out in shape.layers]
    with torch.no_grad():
        for index, layer in enumerate(layers):
            layer.weight.copy_(views[2 * index][0].T)
            layer.bias.copy_(views[2 * index + 1][0, 0])
    module = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    inputs = torch.randn(7, 5, generator=_stream(1))
    torch.testing.assert_close(shape.forward(views, inputs[None])[0], module(inputs))
    assert shape.n_parameters == sum(each.numel() for each in module.parameters())


def test_the_gradient_of_a_stack_has_a_row_per_network() -> None:
    shape = MlpShape(2, (3,), 1)
    flat = shape.initial(2, _stream())
    leaves = shape.leaves(flat)
    outputs = shape.forward(leaves, torch.ones(2, 4, 2))
    slope = gradient(outputs[0].sum(), leaves)
    assert slope.shape == flat.shape
    assert slope[0].abs().sum() > 0
    assert not slope[1].any()


def test_the_head_is_the_last_layer() -> None:
    shape = MlpShape(2, (3, 4), 5, "crelu")
    flat = torch.zeros(1, shape.n_parameters)
    flat[:, shape.head] = 1
    views = shape.split(flat)
    assert views[-2].shape == (1, 8, 5)
    assert all(view.all() for view in views[-2:])
    assert not any(view.any() for view in views[:-2])


def test_spectral_normalisation_finds_the_largest_singular_value() -> None:
    shape = MlpShape(6, (5,), 1)
    flat = shape.initial(2, _stream())
    views = shape.split(flat)
    spectral = SpectralNorm(shape, 2, _stream(3))
    for _ in range(200):
        spectral.refresh(views)
    known = torch.linalg.matrix_norm(views[0], ord=2)
    torch.testing.assert_close(spectral.norms(0, views[0])[:, 0, 0], known)


def test_dropout_keeps_the_mean() -> None:
    masks = dropout_masks(MlpShape(3, (200, 100), 1), (2, 500), 0.1, _stream())
    assert [tuple(mask.shape) for mask in masks] == [(2, 500, 200), (2, 500, 100)]
    assert float(masks[0].mean()) == pytest.approx(1.0, abs=0.01)
    assert masks[0].unique().tolist() == pytest.approx([0.0, 1 / 0.9])
