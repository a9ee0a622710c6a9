"""Local episodes: requests routed hop by hop in lockstep, each on its own snapshot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple, cast

import numpy as np
import torch

from ric_sim.envs.kernels_lanes import graph_features
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.rewards import Endings, FloatArray, RewardPlan, decision_rewards, returns_to_switch, standing
from ric_sim.network.city import City
from ric_sim.network.episodes.batch import new_episodes, new_observations, new_vertex_features
from ric_sim.network.episodes.kernels import ARRIVED, GOING, Episodes
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import EpisodeArrays, episode_arrays
from xapps.learning import kernels_shared
from xapps.learning.networks import RoutingBatch, RoutingNetwork
from xapps.learning.rollout import Decisions
from xapps.learning.shared_env import RequestBatch, Routes

_SEEN = ("context", "mask", "slots", "vertex", "slot_vertex")


class Played(NamedTuple):
    """Routes found and the decisions that led there; `decisions` is None when none had to be taken.

    Attributes:
        lost: float32 [T, n], what each decision is paid instead if the request is not carried after all.
    """

    routes: Routes
    decisions: Decisions | None
    lost: FloatArray


class _Rows(NamedTuple):
    """The first episodes, as the reward terms look at lanes."""

    episodes: Episodes
    arrays: EpisodeArrays
    lanes: SimpleNamespace
    n_lanes: int


class LocalEpisodes:
    """Room for episodes in one city."""

    def __init__(self, city: City, rules: MaskRules, plan: RewardPlan, *, capacity: int) -> None:
        self._arrays = episode_arrays(city)
        self._episodes = new_episodes(self._arrays, capacity)
        self._seen = new_observations(self._arrays, capacity)
        self._features = new_vertex_features(self._arrays, capacity)
        self._weights = plan.table(city.services)
        self._limits, self._idle_floor = rules.limits(city), rules.idle_floor

    @torch.no_grad()
    def play(self, requests: RequestBatch, network: RoutingNetwork, generator: torch.Generator) -> Played:
        """Routes all requests; one embedding per request, hops with a single valid action are taken without asking."""
        n, ep = requests.n, self._episodes
        ep.request[:n], ep.used[:n] = requests.request, requests.used
        status = np.zeros(n, dtype=np.int64)
        kernels_shared.begin_rows(self._arrays, ep, status, self._idle_floor)
        self._step(status, np.full(n, -1, dtype=np.int64))
        rows = np.flatnonzero(status == GOING)
        graph_features(self._arrays, ep, rows, features := self._features[rows])
        own = requests.request[rows, 2]
        hidden, pooled = network.embed(torch.from_numpy(features), torch.from_numpy(own)) if len(rows) else (None, None)
        graph = np.zeros(n, dtype=np.int64)
        graph[rows] = np.arange(len(rows))
        log: dict[str, list[np.ndarray]] = {}
        while (waiting := status == GOING).any():
            entry = self._entry(np.flatnonzero(waiting), graph, network, (hidden, pooled), generator)
            entry |= self._paid_step(status, np.where(waiting, entry["action"], -1))
            entry["service"] = np.where(waiting, requests.request[:, 0], -1)
            for name, values in entry.items():
                log.setdefault(name, []).append(values)
        routes = Routes(status, ep.n_links[:n].copy(), ep.links[:n].copy())
        if not log:
            return Played(routes, None, np.zeros((0, n), dtype=np.float32))
        stacked = {name: np.stack(values) for name, values in log.items()}
        lost, ended = stacked.pop("lost"), np.zeros(n, dtype=np.float32)
        return Played(routes, Decisions(**stacked, last_value=ended, features=[features], own=[own]), lost)

    def _paid_step(self, status: np.ndarray, actions: np.ndarray) -> dict[str, np.ndarray]:
        """A step, and what it pays each episode, whether its request is carried or lost in the end."""
        n = len(status)
        rows = _Rows(Episodes._make(column[:n] for column in self._episodes), self._arrays, _numbered(n), n)
        batch = cast(LaneBatch, rows)
        went, before, returned = status == GOING, standing(batch), returns_to_switch(batch, actions)
        self._step(status, actions)
        ended = went & (status != GOING)
        after, latency_us, n_links = standing(batch), rows.episodes.latency_us, rows.episodes.n_links
        paid, lost = (
            decision_rewards(self._weights, before, after, returned, Endings(ended, accepted, latency_us, n_links))
            for accepted in (status == ARRIVED, np.zeros(n, dtype=np.bool_))
        )
        return {"reward": paid, "lost": lost, "done": ended, "outcome": np.full(n, -1, dtype=np.int64)}

    def _step(self, status: np.ndarray, actions: np.ndarray) -> None:
        kernels_shared.step_rows(self._arrays, self._episodes, status, actions, self._limits, self._seen)

    def _entry(
        self,
        rows: np.ndarray,
        graph: np.ndarray,
        network: RoutingNetwork,
        embedded: tuple[torch.Tensor | None, torch.Tensor | None],
        generator: torch.Generator,
    ) -> dict[str, np.ndarray]:
        """What the episodes see, and an action, its log-probability and the value for those that wait (`rows`)."""
        n = len(graph)
        seen = {name: getattr(self._seen, name)[:n].copy() for name in _SEEN}
        mask = seen["mask"][rows]
        batch = RoutingBatch(
            context=torch.from_numpy(seen["context"][rows]),
            mask=torch.from_numpy(mask),
            slots=torch.from_numpy(seen["slots"][rows][mask]),
            graph=torch.from_numpy(graph[rows]),
            vertex=torch.from_numpy(seen["vertex"][rows]),
            slot_vertex=torch.from_numpy(seen["slot_vertex"][rows][mask]),
        )
        hidden, pooled = embedded
        assert hidden is not None
        assert pooled is not None
        logits, values = network.decide(batch, hidden, pooled)
        log_probs = torch.log_softmax(logits, dim=1)
        chosen = torch.multinomial(log_probs.exp(), 1, generator=generator)
        action, log_prob, value = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        action[rows] = chosen[:, 0].numpy()
        log_prob[rows] = log_probs.gather(1, chosen)[:, 0].numpy()
        value[rows] = values.numpy()
        episode = np.arange(n, dtype=np.int64)
        return {**seen, "graph": graph, "episode": episode, "action": action, "log_prob": log_prob, "value": value}


def _numbered(n: int) -> SimpleNamespace:
    return SimpleNamespace(episode=np.arange(n, dtype=np.int64))
