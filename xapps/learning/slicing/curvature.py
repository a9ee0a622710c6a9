"""Largest and smallest Hessian eigenvalues of a loss by Lanczos with full reorthogonalisation, for M networks at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_TINY = 1e-10
_EXHAUSTED = 1e-5
"""Relative to the diagonal: below it a Krylov vector is rounding noise of single precision."""


@dataclass(frozen=True)
class Extremes:
    """Eigenvalues, float64 [M], of each network's own block of the Hessian."""

    largest: npt.NDArray[np.float64]
    smallest: npt.NDArray[np.float64]


def hessian_product(slopes: Sequence[Tensor], leaves: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """v [M, P] -> H v [M, P], from gradients that were taken with `create_graph` at the leaves.

    With networks that do not share parameters the Hessian is block-diagonal and one product serves all of them.
    """
    sizes = [leaf[0].numel() for leaf in leaves]

    def product(vectors: Tensor) -> Tensor:
        parts = [part.reshape(leaf.shape) for part, leaf in zip(vectors.split(sizes, dim=1), leaves, strict=True)]
        found = torch.autograd.grad(slopes, leaves, parts, retain_graph=True, allow_unused=True)
        full = [torch.zeros_like(leaf) if part is None else part for part, leaf in zip(found, leaves, strict=True)]
        return torch.cat([part.reshape(len(part), -1) for part in full], dim=1)

    return product


def lanczos(product: Callable[[Tensor], Tensor], start: Tensor, n_steps: int) -> Extremes:
    """Extreme eigenvalues of symmetric operators, one per row of `start` [M, P].

    Args:
        product: applies every operator to its own row.
        n_steps: Krylov dimensions; 8 give the largest eigenvalue of a trained critic to four digits.
    """
    vector = start / start.norm(dim=1, keepdim=True)
    basis = [vector]
    diagonal, beside = [], []
    for _ in range(min(n_steps, start.shape[1])):
        image = product(basis[-1])
        diagonal.append((image * basis[-1]).sum(dim=1))
        for _ in range(2):  # once is not enough in single precision
            for known in basis:
                image = image - (image * known).sum(dim=1, keepdim=True) * known
        norm = image.norm(dim=1)
        beside.append(norm)
        basis.append(image / (norm[:, None] + _TINY))
    return _extremes(torch.stack(diagonal, dim=1), torch.stack(beside, dim=1))


def _extremes(diagonal: Tensor, beside: Tensor) -> Extremes:
    """Of the tridiagonal matrices with this diagonal [M, m] and these neighbours of it [M, m]; each row ends where it is cut."""
    largest, smallest = [], []
    for main, off in zip(diagonal.double().numpy(), beside.double().numpy(), strict=True):
        ends = np.flatnonzero(off <= _EXHAUSTED * float(np.abs(main).max()))
        size = int(ends[0]) + 1 if len(ends) else len(main)
        matrix = np.diag(main[:size]) + np.diag(off[: size - 1], 1) + np.diag(off[: size - 1], -1)
        values = np.linalg.eigvalsh(matrix)
        largest.append(values[-1])
        smallest.append(values[0])
    return Extremes(np.array(largest), np.array(smallest))
