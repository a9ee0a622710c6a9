"""What a routing policy lets into the city over a day, as seen from its O-DUs: the traffic of the radio network there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import CommitOutcome, CommitStatus
from ric_sim.envs.evaluate import FRESH, PROGRESS_EVERY, DayReplay
from ric_sim.network.city import City, NodeKind
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import DAY_MS, Day
from ric_sim.radio.config import N_SLICES, SLICES, FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TimeBins:
    """Equal stretches of a day, T in all.

    Attributes:
        begin_ms, end_ms: of the window, emulated time since midnight; whole bins between them.
        width_ms: of one bin.
    """

    begin_ms: int = 0
    end_ms: int = DAY_MS
    width_ms: int = 1_800_000

    def __post_init__(self) -> None:
        """Raises `OutOfRange` for a window that is empty, leaves the day or does not hold whole bins."""
        length_ms = self.end_ms - self.begin_ms
        if not 0 <= self.begin_ms < self.end_ms <= DAY_MS or self.width_ms < 1 or length_ms % self.width_ms:
            raise OutOfRange(
                f"bins of {self.width_ms} ms from {self.begin_ms} to {self.end_ms} ms: expected whole bins within 0 to {DAY_MS}"
            )

    @property
    def edges_ms(self) -> IntArray:
        """int64 [T + 1]."""
        return np.arange(self.begin_ms, self.end_ms + 1, self.width_ms, dtype=np.int64)

    @property
    def middles_h(self) -> FloatArray:
        """float64 [T], hours since midnight."""
        return np.asarray((self.edges_ms[:-1] + self.width_ms / 2) / 3_600_000)


@dataclass(frozen=True, eq=False)
class AdmittedTraffic:
    """A day under one routing policy; T bins, M O-DUs, slices in the radio network's order.

    Attributes:
        policy, bins: what was played.
        gos_ratio: of the requests that arrive before the window's end.
        flows: float64 [T, M, 3], admitted flows in progress over each O-DU, mean of the bin.
        rate_mbps: float64 [T, M, 3], their rate.
        requested_mbps: float64 [T, 3], rate of all that was requested, as if everything were carried.
        nominal_mbps: float64 [3], the scale: requested over the whole day, per O-DU.
        size: float64 [M], compute of each O-DU over the mean of all.
    """

    policy: str
    bins: TimeBins
    gos_ratio: float
    flows: FloatArray
    rate_mbps: FloatArray
    requested_mbps: FloatArray
    nominal_mbps: FloatArray
    size: FloatArray

    @property
    def load(self) -> FloatArray:
        """float64 [T, M, 3]: factors on the radio network's nominal arrivals.

        An O-DU runs cells in proportion to its compute, and the radio network has one of them. All factors would be 1 if every
        request were carried, spread over the O-DUs by their size and evenly over the day. A slice nobody asks for has none.
        """
        nominal_mbps = np.where(self.nominal_mbps > 0, self.nominal_mbps, np.inf)
        return np.asarray(self.rate_mbps / nominal_mbps / self.size[:, None])


def slice_of_service(city: City) -> IntArray:
    """int64 [services]: the radio slice of each service's S-NSSAI.

    Raises:
        InvalidInput: a service of another class than eMBB, mMTC or uRLLC.
    """
    classes = [spec.slice_class.lower() for spec in city.services]
    if strange := sorted(set(classes) - set(SLICES)):
        raise InvalidInput(f"services of class {', '.join(strange)}: the radio network has slices {', '.join(SLICES)}")
    return np.array([SLICES.index(each) for each in classes], dtype=np.int64)


def admitted_traffic(
    scenario: Scenario,
    policy: str | RoutingPolicy,
    bins: TimeBins,
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> AdmittedTraffic:
    """Plays a day from midnight to the end of the window and books every admitted flow at the O-DU of its route.

    Args:
        progress: called with the number of requests played so far.
    Raises:
        UnknownKey: no such policy. InvalidInput: see `slice_of_service`.
    """
    city, day = scenario.city, scenario.day
    of_slice = slice_of_service(city)[day.service]
    router = make_policy(policy, city) if isinstance(policy, str) else policy
    replay = _BookedReplay(city, router)
    n_flows = int(np.searchsorted(day.arrival_ms, bins.end_ms))
    for index in range(n_flows):
        replay.play(index, day.flow(index))
        if (index + 1) % PROGRESS_EVERY == 0 or index + 1 == n_flows:
            progress(index + 1)
    o_du = np.array(replay.o_dus, dtype=np.int64)
    carried = np.flatnonzero(o_du >= 0)
    compute_ucores = city.compute_nominal_ucores[city.node_kind == NodeKind.O_DU]
    n_dus = len(compute_ucores)
    key, n_keys = N_SLICES * o_du[carried] + of_slice[carried], N_SLICES * n_dus
    kbps, ones = day.bandwidth_kbps.astype(np.float64), np.ones(len(day))
    everyone = np.arange(len(day))
    whole_day = np.array([0, DAY_MS])
    return AdmittedTraffic(
        policy=router.name,
        bins=bins,
        gos_ratio=len(carried) / n_flows if n_flows else 0.0,
        flows=in_progress(day, carried, (key, n_keys), ones, bins.edges_ms).reshape(-1, n_dus, N_SLICES),
        rate_mbps=in_progress(day, carried, (key, n_keys), kbps, bins.edges_ms).reshape(-1, n_dus, N_SLICES) / 1000,
        requested_mbps=in_progress(day, everyone, (of_slice, N_SLICES), kbps, bins.edges_ms) / 1000,
        nominal_mbps=in_progress(day, everyone, (of_slice, N_SLICES), kbps, whole_day)[0] / 1000 / n_dus,
        size=np.asarray(compute_ucores / compute_ucores.mean()),
    )


def in_progress(
    day: Day, chosen: npt.NDArray[np.intp], keys: tuple[IntArray, int], weights: FloatArray, edges_ms: IntArray
) -> FloatArray:
    """Mean over each bin of what the chosen flows in progress weigh, float64 [T, n_keys].

    Args:
        chosen: indices of flows. keys: the group of each of them, and the number of groups.
        weights: of every flow of the day.
        edges_ms: [T + 1], ascending.
    """
    group, n_groups = keys
    arrival_ms, holding_ms, weight = day.arrival_ms[chosen], day.holding_ms[chosen], weights[chosen]
    until_edge = [
        np.bincount(group, weight * np.clip(edge_ms - arrival_ms, 0, holding_ms), minlength=n_groups) for edge_ms in edges_ms
    ]
    return np.asarray(np.diff(until_edge, axis=0) / np.diff(edges_ms)[:, None])


class _BookedReplay(DayReplay):
    """Also keeps the O-DU of each request, by its place among the city's O-DUs; -1 for one that was not carried."""

    def __init__(self, city: City, router: RoutingPolicy) -> None:
        super().__init__(city, router, FRESH)
        self.o_dus: list[int] = []
        o_dus = np.flatnonzero(city.node_kind == NodeKind.O_DU)
        self._place = {int(node): place for place, node in enumerate(o_dus)}
        self._targets = city.link_dst.tolist()

    def _settle(self, flow: FlowRequest, outcome: Cause | CommitOutcome) -> None:
        super()._settle(flow, outcome)
        carried = not isinstance(outcome, Cause) and outcome.status == CommitStatus.COMMITTED
        route = outcome.route if carried and isinstance(outcome, CommitOutcome) else ()
        self.o_dus.append(next((self._place[node] for link in route if (node := self._targets[link]) in self._place), -1))
