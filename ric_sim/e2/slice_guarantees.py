"""Guaranteed throughput of slices (A1 `guaDlThptPerSlice`) as RRM policy ratios of O-DUs.

A guarantee is the slice's minimum ratio: of the RBs of every O-DU, as many as carry it at the rated throughput of an RB, if all
O-DUs carry the same part. It is the slice's as far as the slice needs it (`PolicyRatio.minimum`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ric_sim.domain.errors import OutOfRange
from ric_sim.e2.conflict_couplings import SliceRatio
from ric_sim.radio.config import SLICES
from ricity.a1.v1 import policy_pb2

_SLICE_OF_SST = {1: "embb", 2: "urllc", 3: "mmtc"}
"""Standardised slice/service types, 3GPP TS 23.501, 5.15.2.2."""

_MOST_PERCENT = 100
URLLC = "urllc"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """DL throughput of one slice, all O-DUs together.

    Attributes:
        slice_id: S-NSSAI.
        slice: of the radio network: embb, mmtc or urllc; slices of one type share it, and their guarantees add up.
    """

    slice_id: str
    slice: str
    dl_kbps: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of a radio network: O-DUs, RBs of each, rated DL throughput of one RB; all above 0.

    Attributes:
        urllc_percent: of the RBs, kept for URLLC by the safety shield; no ratios may leave it less.
    """

    ran_names: tuple[str, ...]
    n_rbs: int
    rb_kbps: int
    urllc_percent: int = 0

    def __post_init__(self) -> None:
        """Raises `OutOfRange`."""
        if not self.ran_names or self.n_rbs < 1 or self.rb_kbps < 1:
            raise OutOfRange(
                f"a radio network of {len(self.ran_names)} O-DUs with {self.n_rbs} RBs of {self.rb_kbps} kbps:"
                " expected one or more of each"
            )

    def beyond(self, minima: Mapping[str, int]) -> int:
        """By how many per cent minima, by slice, are more than a cell has; 0 or less if they fit."""
        return sum(minima.values()) + max(0, self.urllc_percent - minima.get(URLLC, 0)) - _MOST_PERCENT

    def percent_of(self, dl_kbps: int) -> int:
        """Of the RBs of every O-DU, rounded up; more than 100 where it has not so many."""
        return -(-_MOST_PERCENT * dl_kbps // (len(self.ran_names) * self.n_rbs * self.rb_kbps))


def guarantee_of(policy: policy_pb2.Policy) -> Guarantee | None:
    """What a policy guarantees; None if its scope is not a slice that the radio network has."""
    sst = policy.scope.slice.partition("-")[0]
    radio_slice = _SLICE_OF_SST.get(int(sst)) if sst.isdigit() else None
    if radio_slice is None or policy.scope.service_keys:
        return None
    return Guarantee(policy.scope.slice, radio_slice, policy.guarantee.dl_kbps)


def guaranteed_minima(guarantees: Iterable[tuple[str, Guarantee]], capacity: Capacity) -> tuple[dict[str, int], frozenset[str]]:
    """Minimum ratio in % by slice of the radio network, and the policies there is no room for.

    Args:
        guarantees: policy id and what it guarantees, oldest first; one that leaves others less than theirs is unmet.
    """
    kbps = dict.fromkeys(SLICES, 0)
    unmet = set()
    for policy_id, guarantee in guarantees:
        wanted = {**kbps, guarantee.slice: kbps[guarantee.slice] + guarantee.dl_kbps}
        if capacity.beyond({key: capacity.percent_of(rate) for key, rate in wanted.items()}) > 0:
            unmet.add(policy_id)
        else:
            kbps = wanted
    return {key: percent for key, rate in kbps.items() if (percent := capacity.percent_of(rate))}, frozenset(unmet)


def with_guarantees(ratios: Sequence[SliceRatio], minima: Mapping[str, int], capacity: Capacity) -> list[SliceRatio]:
    """Ratios that xApps have set, beneath what A1 policies guarantee.

    A minimum or maximum below a guarantee is lifted to it. What the minima then want beyond the cell is taken from those that
    nothing guarantees, from the largest first.

    Args:
        ratios: one per slice, sound by themselves. minima: in %, by slice, such as fit the capacity; none leaves all as it is.
    """
    if not minima:
        return list(ratios)
    lifted = [
        replace(ratio, minimum=max(ratio.minimum, least), maximum=max(ratio.maximum, least))
        for ratio in ratios
        for least in (minima.get(ratio.slice, 0),)
    ]
    # What URLLC has below the shield's own minimum makes no room for others.
    kept = {**minima, URLLC: max(capacity.urllc_percent, minima.get(URLLC, 0))}
    spare = {ratio.slice: max(0, ratio.minimum - kept.get(ratio.slice, 0)) for ratio in lifted}
    beyond = capacity.beyond({ratio.slice: ratio.minimum for ratio in lifted})
    given_up = {}
    for key in sorted(spare, key=spare.__getitem__, reverse=True):
        given_up[key] = max(0, min(beyond, spare[key]))
        beyond -= given_up[key]
    lowered = [replace(ratio, minimum=ratio.minimum - given_up[ratio.slice]) for ratio in lifted]
    return [replace(ratio, dedicated=min(ratio.dedicated, ratio.minimum)) for ratio in lowered]
