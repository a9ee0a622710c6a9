"""Plays lanes with the present policies and keeps what learning needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.domain.errors import TrainingDiverged
from ric_sim.envs.kernels_lanes import Outcomes, graph_features
from ric_sim.envs.lanes import LaneBatch, new_outcomes
from ric_sim.envs.rewards import RewardPlan, decision_rewards, endings_of, returns_to_switch, standing
from ric_sim.network.episodes.batch import new_vertex_features
from ric_sim.network.episodes.kernels import ARRIVED, GOING
from xapps.learning.networks import RoutingBatch, RoutingNetwork

_SEEN = ("context", "mask", "slots", "vertex", "slot_vertex")


@dataclass
class Decisions:
    """T ticks of B lanes, flattened on demand; what each lane saw, did and got.

    Arrays are [T, B, ...]; `valid` is False where a lane had nothing to decide. `graph` indexes `features` and `own`.
    `reward` (the scarcity term apart) and `done` are of what followed the decision until the lane's next one; `outcome` is the
    row of the batch's outcomes where the episode ended with it, else -1.
    """

    context: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    slots: npt.NDArray[np.float32]
    vertex: npt.NDArray[np.int64]
    slot_vertex: npt.NDArray[np.int64]
    graph: npt.NDArray[np.int64]
    service: npt.NDArray[np.int64]
    action: npt.NDArray[np.int64]
    log_prob: npt.NDArray[np.float32]
    value: npt.NDArray[np.float32]
    reward: npt.NDArray[np.float32]
    done: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.int64]
    episode: npt.NDArray[np.int64]
    last_value: npt.NDArray[np.float32]
    features: list[npt.NDArray[np.float32]]
    own: list[npt.NDArray[np.int64]]


class Collector:
    """Lanes of one or several cities (same topology), and the embeddings of the episodes in progress.

    Attributes:
        fixed: indices of services whose network explores nothing.
    """

    def __init__(
        self,
        batches: Sequence[LaneBatch],
        networks: Sequence[RoutingNetwork],
        *,
        seed: int,
        plan: RewardPlan = RewardPlan(),  # noqa: B008 - frozen
        capacity: int = 20_000,
    ) -> None:
        """
        Args:
            networks: by service index; the same one several times for a single agent.
            seed: of the exploration.
            capacity: outcomes recorded per batch and rollout.
        """
        self._weights = plan.table(batches[0].city.services)
        self.batches, self.networks = list(batches), list(networks)
        self.starts = np.concatenate([[0], np.cumsum([batch.n_lanes for batch in self.batches])])
        self.n_lanes = int(self.starts[-1])
        self.outcomes: list[Outcomes] = [new_outcomes(capacity, len(batch.watched)) for batch in self.batches]
        self.fixed: frozenset[int] = frozenset()
        self._generator = torch.Generator().manual_seed(seed)
        network = self.networks[0]
        first = self.batches[0]
        width = network.shape.graph
        self._hidden = torch.zeros(self.n_lanes, len(first.arrays.static), width)
        self._pooled = torch.zeros(self.n_lanes, width)
        self._seen = np.zeros(self.n_lanes, dtype=np.int64)
        self._features = new_vertex_features(first.arrays, self.n_lanes)
        self._graph = np.zeros(self.n_lanes, dtype=np.int64)
        idle = np.full(self.n_lanes, -1, dtype=np.int64)
        self._step(idle)

    def _step(self, actions: npt.NDArray[np.int64]) -> None:
        for batch, outcomes, low, high in zip(self.batches, self.outcomes, self.starts, self.starts[1:], strict=False):
            batch.step(np.ascontiguousarray(actions[low:high]), outcomes)

    def _paid_step(self, actions: npt.NDArray[np.int64]) -> dict[str, np.ndarray]:
        """A step, and what it paid each lane."""
        parts = []
        for batch, outcomes, low, high in zip(self.batches, self.outcomes, self.starts, self.starts[1:], strict=False):
            chosen = np.ascontiguousarray(actions[low:high])
            before, returned, first = standing(batch), returns_to_switch(batch, chosen), int(outcomes.written[0])
            batch.step(chosen, outcomes)
            row, endings = endings_of(before, outcomes, first)
            reward = decision_rewards(self._weights, before, standing(batch), returned, endings)
            parts.append({"reward": reward, "done": endings.ended, "outcome": row})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _gather(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(batch.observations, name) for batch in self.batches])

    def _episodes(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(batch.episodes, name) for batch in self.batches])

    def _lanes(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(batch.lanes, name) for batch in self.batches])

    @torch.no_grad()
    def play(self, n_ticks: int) -> None:
        """`n_ticks` greedy decisions of every lane, not kept. Clears and refills `outcomes`."""
        self._clear()
        for _ in range(n_ticks):
            service, waiting, _ = self._look()
            seen = {name: self._gather(name) for name in _SEEN}
            self._step(np.where(waiting, self._act(seen, service, waiting, greedy=True)[0], -1))

    @torch.no_grad()
    def collect(self, n_ticks: int, *, greedy: bool = False) -> Decisions:
        """`n_ticks` decisions of every lane. Clears and refills `outcomes`."""
        self._clear()
        log: dict[str, list[np.ndarray]] = {}
        features: list[np.ndarray] = []
        own: list[np.ndarray] = []
        n_graphs = 0
        for _ in range(n_ticks):
            service, waiting, fresh = self._look()
            self._graph[fresh] = n_graphs + np.arange(len(fresh))
            n_graphs += len(fresh)
            features.append(self._features[fresh])
            own.append(self._episodes("request")[fresh, 2])
            seen = {name: self._gather(name) for name in _SEEN}
            action, log_prob, value = self._act(seen, service, waiting, greedy=greedy)
            entry = {
                **seen,
                "graph": self._graph.copy(),
                "service": np.where(waiting, service, -1),
                "action": action,
                "log_prob": log_prob,
                "value": value,
                "episode": self._seen,
            }
            entry |= self._paid_step(np.where(waiting, action, -1))
            for name, values in entry.items():
                log.setdefault(name, []).append(values)
        stacked = {name: np.stack(values) for name, values in log.items()}
        return Decisions(**stacked, last_value=self._last_values(), features=features, own=own)

    def _clear(self) -> None:
        for outcomes in self.outcomes:
            outcomes.written[0] = 0
        self._seen = np.full(self.n_lanes, -1, dtype=np.int64)  # the networks may have changed since

    def _look(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The service of each lane's request, which lanes wait, and those with another request than before (embedded anew)."""
        service = self._episodes("request")[:, 0]
        episode = self._lanes("episode")
        waiting = self._lanes("status") == GOING
        fresh = np.flatnonzero((episode != self._seen) & waiting)
        self._embed(fresh, service)
        self._seen = episode
        return service, waiting, fresh

    def _last_values(self) -> npt.NDArray[np.float32]:
        service, waiting, _ = self._look()
        return self._act({name: self._gather(name) for name in _SEEN}, service, waiting, greedy=True)[2]

    def _embed(self, lanes: npt.NDArray[np.int64], service: npt.NDArray[np.int64]) -> None:
        """Fresh graph features and embeddings of some lanes."""
        for batch, low, high in zip(self.batches, self.starts, self.starts[1:], strict=False):
            rows = lanes[(lanes >= low) & (lanes < high)]
            if len(rows):
                out = new_vertex_features(batch.arrays, len(rows))
                graph_features(batch.arrays, batch.episodes, rows - low, out)
                self._features[rows] = out
        own = self._episodes("request")[:, 2]
        for index, rows in self._by_network(lanes, service):
            hidden, pooled = self.networks[index].embed(torch.from_numpy(self._features[rows]), torch.from_numpy(own[rows]))
            self._hidden[rows], self._pooled[rows] = hidden, pooled

    def _by_network(self, lanes: np.ndarray, service: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Lanes by the network that decides in them."""
        if all(network is self.networks[0] for network in self.networks):
            return [(0, lanes)] if len(lanes) else []
        return [(int(each), lanes[service[lanes] == each]) for each in np.unique(service[lanes])]

    def _act(
        self, seen: dict[str, np.ndarray], service: np.ndarray, waiting: np.ndarray, *, greedy: bool
    ) -> tuple[np.ndarray, ...]:
        action = np.zeros(self.n_lanes, dtype=np.int64)
        log_prob = np.zeros(self.n_lanes, dtype=np.float32)
        value = np.zeros(self.n_lanes, dtype=np.float32)
        for index, rows in self._by_network(np.flatnonzero(waiting), service):
            mask = seen["mask"][rows]
            batch = RoutingBatch(
                context=torch.from_numpy(seen["context"][rows]),
                mask=torch.from_numpy(mask),
                slots=torch.from_numpy(seen["slots"][rows][mask]),
                graph=torch.from_numpy(rows),
                vertex=torch.from_numpy(seen["vertex"][rows]),
                slot_vertex=torch.from_numpy(seen["slot_vertex"][rows][mask]),
            )
            logits, values = self.networks[index].decide(batch, self._hidden, self._pooled)
            log_probs = torch.log_softmax(logits, dim=1)
            if torch.isnan(log_probs).any():
                key = self.batches[0].city.services[int(service[rows[0]])].key
                raise TrainingDiverged(
                    f"agent {key} answers decisions with NaN; expected finite logits. "
                    "Resume from the last checkpoint with a lower learning rate"
                )
            chosen = (
                logits.argmax(dim=1, keepdim=True)
                if greedy or index in self.fixed
                else torch.multinomial(log_probs.exp(), 1, generator=self._generator)
            )
            action[rows] = chosen[:, 0].numpy()
            log_prob[rows] = log_probs.gather(1, chosen)[:, 0].numpy()
            value[rows] = values.numpy()
        return action, log_prob, value

    def acceptance(self) -> float:
        """Share of accepted requests in `outcomes`."""
        status = np.concatenate([outcomes.status[: outcomes.written[0]] for outcomes in self.outcomes])
        return float((status == ARRIVED).mean()) if len(status) else float("nan")
