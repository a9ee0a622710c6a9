"""What an agent expects from carrying a request, learnt from the requests it carried: the ground on which it declines others.

The critic would do, but it sees each request a few times and then forgets it. An expensive request is rare, so the estimate here
is a small network of its own that learns from the last requests again and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xapps.learning.networks import RoutingNetwork

_KEPT = 2000
"""Requests remembered. Nothing is learnt before there are so many: while agents still place badly, everything is expensive."""
_MINIBATCH = 256
_DECAY = 0.01
_STEPS = 15
"""Gradient steps for each batch of news."""


class AdmissionLearner:
    """Fits a network's `expects` to the returns of requests that were not declined, and remembers the latest of them."""

    def __init__(self, network: RoutingNetwork, *, seed: int, learning_rate: float = 1e-3) -> None:
        self._network = network
        self._parameters = [*network.admit_in.parameters(), *network.admit_out.parameters()]
        self._optimiser = torch.optim.AdamW(self._parameters, lr=learning_rate, weight_decay=_DECAY)
        self._rng = np.random.default_rng(seed)
        self._context = np.zeros((0, network.admit_in.in_features), dtype=np.float32)
        self._gained = np.zeros(0, dtype=np.float32)

    def learn(
        self,
        context: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_],
        action: npt.NDArray[np.int64],
        gained: npt.NDArray[np.float32],
    ) -> float:
        """Takes in decisions, learns; the mean squared error, NaN before the first time.

        Args:
            context: [n, C]. mask: [n, D]. action: [n]. gained: [n], what followed the decision.
        """
        carried = mask[:, -1] & (action != mask.shape[1] - 1)
        self._context = np.concatenate([self._context, context[carried]])[-_KEPT:]
        self._gained = np.concatenate([self._gained, gained[carried]])[-_KEPT:]
        if len(self._gained) < _KEPT:
            return float("nan")
        losses = []
        for _ in range(_STEPS):
            rows = self._rng.integers(len(self._gained), size=_MINIBATCH)
            expected = self._network.expects(torch.from_numpy(self._context[rows]))
            loss = (expected - torch.from_numpy(self._gained[rows])).pow(2).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def state_dict(self) -> dict[str, Any]:
        """Optimiser, random stream and memory; the parameters are the network's."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "rng": self._rng.bit_generator.state,
            "context": torch.from_numpy(self._context),
            "gained": torch.from_numpy(self._gained),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimiser.load_state_dict(state["optimiser"])
        self._rng.bit_generator.state = state["rng"]
        self._context, self._gained = state["context"].numpy(), state["gained"].numpy()
