"""What a reservation costs the others: the team term of the reward.

A selfish agent has no reason to leave a near host to another service. Each time a request is refused, the lanes find out which
reservations are to blame: those without which it would have been carried (`kernels_lanes`, "blame"). The scarcity model learns
from these verdicts a price for each link and host, given how full all of them are; the prices of what a route takes are what
its reservation is expected to cost the others. The agents are charged at the commit, long before the verdict is in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ric_sim.envs.kernels_lanes import Outcomes
from ric_sim.envs.lanes import LaneBatch
from ric_sim.network.traffic import DAY_MS

FloatArray = npt.NDArray[np.float32]

_MINIBATCH = 1024
_MOST_KEPT = 60_000
"""Verdicts remembered."""
_LONGEST_S = 600.0
"""Holding times count no further: few reservations last longer, and their verdicts vary most."""
_FIRST_PRICE = -6.0


class ScarcityModel(nn.Module):
    """Refusals caused per second by taking all of a resource, for each watched resource."""

    def __init__(self, n_watched: int, *, hidden: int = 64) -> None:
        super().__init__()
        last = nn.Linear(hidden, n_watched)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, _FIRST_PRICE)
        self.layers = nn.Sequential(nn.Linear(n_watched + 2, hidden), nn.ReLU(), last)

    def forward(self, utilisation: Tensor, hour: Tensor) -> Tensor:
        """float32 [n, X] >= 0, of utilisations [n, X] (0-1) and hour [n, 2] (sine, cosine)."""
        return nn.functional.softplus(self.layers(torch.cat([utilisation, hour], dim=1)))


class _Kept(NamedTuple):
    state: Tensor
    share: Tensor
    hour: Tensor
    held_s: Tensor
    blame: Tensor


class Scarcity:
    """The scarcity model of one city and what it learns from."""

    def __init__(self, n_watched: int, *, n_services: int, learning_rate: float, seed: int, most: float = 1.0) -> None:
        """`most`: refusals that one reservation is charged at most."""
        self._most = most
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = ScarcityModel(n_watched)
        self._optimiser = torch.optim.Adam(self.model.parameters(), lr=learning_rate)
        self._generator = torch.Generator().manual_seed(seed)
        self._kept: list[_Kept] = []
        self._held = np.zeros((2, n_services))  # seconds held and verdicts, by service

    @torch.no_grad()
    def cost(self, batch: LaneBatch, outcomes: Outcomes) -> FloatArray:
        """float32 [n]: refusals of others that each outcome is expected to cause, for a holding time as the service's mean."""
        n = int(outcomes.written[0])
        flows = batch.lanes.flows[outcomes.flow[:n]]
        before = torch.from_numpy(outcomes.before[:n].copy())
        share = torch.from_numpy(outcomes.after[:n].copy()) - before
        per_s = (self.model(before, _hour(flows[:, 5])) * share).sum(dim=1).numpy()
        mean_held_s = self._held[0] / np.maximum(self._held[1], 1.0)
        return np.minimum(per_s * mean_held_s[flows[:, 0]], self._most).astype(np.float32)

    def remember(self, batch: LaneBatch) -> None:
        """Takes over the verdicts of a batch, which are cleared."""
        verdicts = batch.verdicts
        n = int(verdicts.written[0])
        held_s = np.minimum(verdicts.held_ms[:n] / 1000, _LONGEST_S)
        np.add.at(self._held[0], verdicts.service[:n], held_s)
        np.add.at(self._held[1], verdicts.service[:n], 1.0)
        if n:
            self._kept.append(
                _Kept(
                    state=torch.from_numpy(verdicts.state[:n].copy()),
                    share=torch.from_numpy(verdicts.share[:n].copy()),
                    hour=_hour(verdicts.began_ms[:n]),
                    held_s=torch.from_numpy(held_s.astype(np.float32)),
                    blame=torch.from_numpy(verdicts.blame[:n].copy()),
                )
            )
        verdicts.written[0] = 0
        while sum(len(kept.blame) for kept in self._kept[1:]) > _MOST_KEPT:
            del self._kept[0]

    def learn(self, n_steps: int) -> float:
        """Fits the prices to the blame; the mean weighted squared error, NaN with no verdicts.

        An error counts the less the longer the reservation was held: the blame of a long one varies more.
        """
        if not self._kept:
            return float("nan")
        sizes = np.array([len(kept.blame) for kept in self._kept], dtype=np.float64)
        chances = torch.from_numpy(sizes / sizes.sum())
        losses = []
        for _ in range(n_steps):
            counts = torch.bincount(
                torch.multinomial(chances, _MINIBATCH, replacement=True, generator=self._generator), minlength=len(self._kept)
            ).tolist()
            state, share, hour, held_s, blame = self._minibatch(counts)
            expected = (self.model(state, hour) * share).sum(dim=1) * held_s
            loss = ((expected - blame).pow(2) * 60 / (held_s + 20)).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            losses.append(loss.item())
        return float(np.mean(losses[-20:]))

    def _minibatch(self, counts: list[int]) -> list[Tensor]:
        """So many verdicts of each part of the memory, at random."""
        columns: list[list[Tensor]] = [[] for _ in _Kept._fields]
        for kept, count in zip(self._kept, counts, strict=True):
            if count:
                rows = torch.randint(len(kept.blame), (count,), generator=self._generator)
                for column, values in zip(columns, kept, strict=True):
                    column.append(values[rows])
        return [torch.cat(column) for column in columns]

    def state_dict(self) -> dict[str, Any]:
        """Model, optimiser and random stream; what it remembers is not kept."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "held": self._held.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        self._held = np.array(state["held"])
        self._kept.clear()


def _hour(arrival_ms: npt.NDArray[np.int64]) -> Tensor:
    """float32 [n, 2]: sine and cosine of the time of day."""
    angle = arrival_ms / DAY_MS * 2 * np.pi
    return torch.from_numpy(np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32))
