"""What a routing decision is paid: the terms of the paper's reward (section 4.3) and of ours, for whole batches of lanes.

Every adapter and trainer takes its rewards from here. A decision is paid for all that follows it until the next decision of
the same episode: its own hop, and hops that left no choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import UnknownKey
from ric_sim.domain.service import ServiceSpec
from ric_sim.envs.kernels_lanes import Outcomes
from ric_sim.envs.lanes import LaneBatch
from ric_sim.network.city import IntArray
from ric_sim.network.episodes.arrays import ARRIVED
from ric_sim.network.graph import LAST_STAGE, TRANSIT

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

N_SEGMENTS = LAST_STAGE
"""Segments of a chain: to the second, to the third and to the last function."""


@dataclass(frozen=True)
class RewardWeights:
    """What one unit of each term is worth; negative values are costs. All 0 but what is given.

    Attributes:
        latency_per_ms: per millisecond that a hop adds, processing of the host it enters included.
        shaping_per_ms: per millisecond by which the fastest way still to go, through the way-points ahead, gets shorter
            (the paper's shaping term). As the difference of a potential it pays no detour.
        revisit: for a hop to a switch passed before in the segment (the paper's penalty of cycles).
        segment: for each segment completed (the paper's intermediate success), and segment_hop: for each hop spent in it.
        accepted, refused: at the end of the episode (the paper's terminal reward).
        scarcity: per expected refusal of others that the reservation causes. Only a trainer with a model of it pays this.
    """

    latency_per_ms: float = 0.0
    shaping_per_ms: float = 0.0
    revisit: float = 0.0
    segment: float = 0.0
    segment_hop: float = 0.0
    accepted: float = 0.0
    refused: float = 0.0
    scarcity: float = 0.0


PAPER = RewardWeights(shaping_per_ms=0.01, revisit=-0.05, segment=0.1, segment_hop=-0.01, accepted=1.0, refused=-1.0)
"""Shaping and segments of an accepted request add up to some 0.4, so that acceptance dominates as the paper asks."""

OURS = RewardWeights(latency_per_ms=-0.002, refused=-1.0, scarcity=-1.0)
"""A refusal costs 1, one's own or another's that one causes; latency only decides between ways that cost no refusal."""

PRESETS: dict[str, RewardWeights] = {"ours": OURS, "paper": PAPER}


@dataclass(frozen=True)
class RewardPlan:
    """Weights of all services: `default`, and others by service key."""

    default: RewardWeights = OURS
    by_service: Mapping[str, RewardWeights] = field(default_factory=dict)

    @staticmethod
    def named(name: str) -> RewardPlan:
        """The plan of a preset, `ours` or `paper`.

        Raises:
            UnknownKey: another name.
        """
        if name not in PRESETS:
            raise UnknownKey("reward", name, PRESETS)
        return RewardPlan(PRESETS[name])

    def table(self, services: Sequence[ServiceSpec]) -> FloatArray:
        """float32 [S, terms], columns in the order of `RewardWeights`.

        Raises:
            UnknownKey: weights for a service that is not there.
        """
        known = [spec.key for spec in services]
        for key in self.by_service:
            if key not in known:
                raise UnknownKey("service", key, known)
        return np.array([astuple(self.by_service.get(key, self.default)) for key in known], dtype=np.float32)


class Standing(NamedTuple):
    """Where the episodes of L lanes stand, int64 [L] each.

    Attributes:
        episode, service: of the lane's present request.
        stage: functions reached, latency_us: so far, n_links: hops so far.
        segment_start: hops before the present segment.
        remaining_us: fastest way still to go, as the mask sees it.
    """

    episode: IntArray
    service: IntArray
    stage: IntArray
    latency_us: IntArray
    n_links: IntArray
    segment_start: IntArray
    remaining_us: IntArray


class Endings(NamedTuple):
    """What became of the episodes that stood in L lanes: bool [L], bool [L], and as they ended int64 [L] twice."""

    ended: BoolArray
    accepted: BoolArray
    latency_us: IntArray
    n_links: IntArray


def endings_of(before: Standing, outcomes: Outcomes, first: int) -> tuple[IntArray, Endings]:
    """What the outcomes from row `first` on say of the episodes that stood in the lanes.

    Returns:
        int64 [L], the row of each episode that ended, -1 where it goes on; and the endings.
    """
    last = int(outcomes.written[0])
    rows = first + np.flatnonzero(outcomes.episode[first:last] == before.episode[outcomes.lane[first:last]])
    row = np.full(len(before.episode), -1, dtype=np.int64)
    row[outcomes.lane[rows]] = rows
    ended = row >= 0
    latency_us, n_links, accepted = before.latency_us.copy(), before.n_links.copy(), np.zeros(len(row), dtype=np.bool_)
    latency_us[ended], n_links[ended] = outcomes.latency_us[row[ended]], outcomes.n_links[row[ended]]
    accepted[ended] = outcomes.status[row[ended]] == ARRIVED
    return row, Endings(ended, accepted, latency_us, n_links)


def standing(batch: LaneBatch) -> Standing:
    """Where each lane's episode stands now (copies)."""
    episodes = batch.episodes
    rows = np.arange(batch.n_lanes)
    stage, node = episodes.stage.copy(), episodes.node
    return Standing(
        episode=batch.lanes.episode.copy(),
        service=episodes.request[:, 0].copy(),
        stage=stage,
        latency_us=episodes.latency_us.copy(),
        n_links=episodes.n_links.copy(),
        segment_start=_segment_start(batch),
        remaining_us=episodes.floor_us[rows, stage, node],
    )


def _segment_start(batch: LaneBatch) -> IntArray:
    """int64 [L]: hops up to and with the last one into a host; switches are the only nodes passed within a segment."""
    episodes = batch.episodes
    most = int(episodes.n_links.max(initial=0))
    if most == 0:
        return np.zeros(batch.n_lanes, dtype=np.int64)
    target = batch.arrays.graph.target[episodes.links[:, :most]]
    hop = np.arange(most)
    rows = np.arange(batch.n_lanes)[:, None]
    into_host = (episodes.enter_stage[rows, target] != TRANSIT) & (hop < episodes.n_links[:, None])
    return np.where(into_host, hop + 1, 0).max(axis=1).astype(np.int64)


def returns_to_switch(batch: LaneBatch, actions: IntArray) -> BoolArray:
    """bool [L]: whether each action leads back to a node passed in the present segment; asked before the step."""
    rows = np.arange(batch.n_lanes)
    action_node = batch.arrays.graph.action_node
    is_hop = (actions >= 0) & (actions < action_node.shape[1])
    target = action_node[batch.episodes.node, np.where(is_hop, actions, 0)]
    return batch.episodes.visited[rows, target] & is_hop


def decision_rewards(table: FloatArray, before: Standing, after: Standing, returned: BoolArray, endings: Endings) -> FloatArray:
    """What each lane's decision is paid, the scarcity term apart; float32 [L].

    Args:
        table: of `RewardPlan.table`.
        before, after: `standing` around the step; `after` counts only where the episode goes on.
        returned: of `returns_to_switch`.

    An episode that ends refused has lost its way since the decision: it earns the terminal term and no shaping or segment.
    """
    latency, shaping, revisit, segment, segment_hop, accepted, refused, _ = table[before.service].T
    lost = endings.ended & ~endings.accepted
    latency_us = np.where(endings.ended, endings.latency_us, after.latency_us) - before.latency_us
    remaining_us = np.where(endings.ended, 0, after.remaining_us)
    nearer_us = before.remaining_us - remaining_us
    completed = np.where(endings.ended, N_SEGMENTS, after.stage) - before.stage
    completed_hops = np.where(endings.ended, endings.n_links, after.segment_start) - before.segment_start
    progress = shaping * nearer_us / 1000 + segment * completed + segment_hop * completed_hops
    out = latency * np.maximum(latency_us, 0) / 1000 + revisit * returned + np.where(lost, 0.0, progress)
    out += np.where(endings.ended, np.where(endings.accepted, accepted, refused), 0.0)
    return out.astype(np.float32)
