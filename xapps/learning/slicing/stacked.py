"""M networks of one shape at once: their parameters are the rows of one tensor, a layer is one batched matrix product.

Because a network's parameters are one row, its norm, its optimiser's state, its perturbation, its slow copy and its export are
operations on rows, and a change to one network cannot touch another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Activation = Literal["relu", "tanh", "crelu"]
Views = Sequence[Tensor]
"""Weight [M, inputs, outputs], bias [M, 1, outputs], layer after layer."""

_TINY = 1e-12


@dataclass(frozen=True)
class MlpShape:
    """Of one network.

    Attributes:
        n_inputs, n_outputs: features in and out.
        hidden: units of each hidden layer.
        activation: of hidden layers; `crelu` puts relu(x) and relu(-x) side by side (Shang et al. 2016).
        layer_norm: hidden layers are normalised, without gain and offset, before their activation.
    """

    n_inputs: int
    hidden: tuple[int, ...]
    n_outputs: int
    activation: Activation = "relu"
    layer_norm: bool = False

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every layer."""
        widen = 2 if self.activation == "crelu" else 1
        widths_in = [self.n_inputs, *(widen * width for width in self.hidden)]
        return list(zip(widths_in, [*self.hidden, self.n_outputs], strict=True))

    @property
    def n_parameters(self) -> int:
        return sum((n_in + 1) * n_out for n_in, n_out in self.layers)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Views of parameters [M, n_parameters]; they share its memory."""
        views, begin, n_rows = [], 0, len(flat)
        for n_in, n_out in self.layers:
            middle, end = begin + n_in * n_out, begin + (n_in + 1) * n_out
            views += [flat[:, begin:middle].view(n_rows, n_in, n_out), flat[:, middle:end].view(n_rows, 1, n_out)]
            begin = end
        return views

    def leaves(self, flat: Tensor) -> list[Tensor]:
        """The same views, as leaves that `gradient` can be taken at."""
        return [view.detach().requires_grad_() for view in self.split(flat)]

    def initial(self, n_networks: int, generator: torch.Generator, *, head_scale: float = 1.0) -> Tensor:
        """Parameters [M, n_parameters], uniform in +-1/sqrt(inputs); the last layer's are `head_scale` of that."""
        parts = []
        for index, (n_in, n_out) in enumerate(self.layers):
            bound = (head_scale if index == len(self.hidden) else 1.0) / math.sqrt(n_in)
            parts.append((2 * torch.rand(n_networks, (n_in + 1) * n_out, generator=generator) - 1) * bound)
        return torch.cat(parts, dim=1)

    @property
    def head(self) -> slice:
        """Columns of the last layer's parameters."""
        n_in, n_out = self.layers[-1]
        return slice(self.n_parameters - (n_in + 1) * n_out, self.n_parameters)

    def forward(
        self, views: Views, inputs: Tensor, *, masks: Views | None = None, spectral: SpectralNorm | None = None
    ) -> Tensor:
        """Outputs [M, B, n_outputs] of inputs [M, B, n_inputs].

        Args:
            masks: one per hidden layer, multiplied into it (see `dropout_masks`).
            spectral: divides hidden weights by their spectral norm.
        """
        x, last = inputs, len(self.hidden)
        for index in range(last + 1):
            weight, bias = views[2 * index], views[2 * index + 1]
            if spectral is not None and index < last:
                weight = weight / spectral.norms(index, weight)
            x = torch.baddbmm(bias, x, weight)
            if index == last:
                break
            if self.layer_norm:
                x = torch.nn.functional.layer_norm(x, x.shape[-1:])
            x = _activate(x, self.activation)
            if masks is not None:
                x = x * masks[index]
        return x


def _activate(x: Tensor, activation: Activation) -> Tensor:
    if activation == "tanh":
        return x.tanh()
    return x.relu() if activation == "relu" else torch.cat((x.relu(), (-x).relu()), dim=-1)


def gradient(loss: Tensor, leaves: Views) -> Tensor:
    """The gradient of a scalar with respect to the parameters [M, n_parameters] that `MlpShape.leaves` was given."""
    return torch.cat([part.reshape(len(part), -1) for part in torch.autograd.grad(loss, list(leaves))], dim=1)


def dropout_masks(shape: MlpShape, size: tuple[int, int], rate: float, generator: torch.Generator) -> list[Tensor]:
    """Masks [M, B, width] of every hidden layer that keep 1 - rate of it and scale the rest up; `size` is (M, B)."""
    keep = 1.0 - rate
    return [torch.empty(*size, n_in).bernoulli_(keep, generator=generator) / keep for n_in, _ in shape.layers[1:]]


class SpectralNorm:
    """Largest singular values of hidden weights by power iteration, one step per `refresh` (Miyato et al. 2018).

    Between two refreshes its vectors stand still, so both passes of a sharpness-aware step divide by the same function.
    """

    def __init__(self, shape: MlpShape, n_networks: int, generator: torch.Generator) -> None:
        hidden = shape.layers[:-1]
        self._right = [_unit(torch.randn(n_networks, n_out, 1, generator=generator)) for _, n_out in hidden]
        self._left = [torch.zeros(n_networks, n_in, 1) for n_in, _ in hidden]

    def refresh(self, views: Views) -> None:
        """One power iteration at these parameters."""
        for index, right in enumerate(self._right):
            weight = views[2 * index].detach()
            self._left[index] = _unit(weight @ right)
            self._right[index] = _unit(weight.transpose(1, 2) @ self._left[index])

    def norms(self, index: int, weight: Tensor) -> Tensor:
        """Norms [M, 1, 1] of a hidden layer's weight, differentiable in it."""
        return self._left[index].transpose(1, 2) @ weight @ self._right[index] + _TINY

    def divided(self, views: Views) -> list[Tensor]:
        """Views whose hidden weights are divided already, for a forward pass without `spectral`."""
        done = list(views)
        for index in range(len(self._right)):
            done[2 * index] = views[2 * index] / self.norms(index, views[2 * index])
        return done

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"left": list(self._left), "right": list(self._right)}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        self._left, self._right = list(state["left"]), list(state["right"])


def _unit(vectors: Tensor) -> Tensor:
    return vectors / (vectors.norm(dim=1, keepdim=True) + _TINY)
