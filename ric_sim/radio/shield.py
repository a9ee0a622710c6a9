"""Safety shield of an O-DU: whatever a slicing control asks, what goes to the air keeps the hard limits.

A control that keeps them passes untouched. Another one is replaced by the nearest that does: the Euclidean projection, in
whole resource blocks, onto {x : lo <= x <= hi, x_1 + x_2 + x_3 <= capacity}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ric_sim.domain.errors import PolicyRatioRefused
from ric_sim.radio.config import N_SLICES, SLICES

Limit = Literal["capacity", "urllc_minimum", "policy_ratio", "rate"]
LIMITS: tuple[Limit, ...] = ("capacity", "urllc_minimum", "policy_ratio", "rate")
"""In the order in which an intervention is put down to them: the first that the control broke."""

URLLC = SLICES.index("urllc")
_MOST_PERCENT = 100

Quotas = tuple[int, int, int]


class PolicyRatio(NamedTuple):
    """RRMPolicyRatio of a slice (3GPP TS 28.541, 4.3.36), integers 0 to 100 % of the cell's RBs.

    Attributes:
        dedicated: kept for the slice whether it needs them or not.
        minimum: the slice's as soon as it needs them; includes the dedicated ones.
        maximum: never more; those of all slices may add up to more than 100.
    """

    dedicated: int = 0
    minimum: int = 0
    maximum: int = _MOST_PERCENT


OPEN_RATIOS = (PolicyRatio(),) * N_SLICES


def check_ratios(ratios: Sequence[PolicyRatio]) -> None:
    """Raises `PolicyRatioRefused` unless 0 <= dedicated <= minimum <= maximum <= 100 by slice, and the minima add up to <= 100.

    Args:
        ratios: one per slice.
    """
    for name, ratio in zip(SLICES, ratios, strict=True):
        if not 0 <= ratio.dedicated <= ratio.minimum <= ratio.maximum <= _MOST_PERCENT:
            raise PolicyRatioRefused(
                f"{name}: dedicated {ratio.dedicated}, min {ratio.minimum}, max {ratio.maximum} %:"
                " expected 0 <= dedicated <= min <= max <= 100"
            )
    minima = [ratio.minimum for ratio in ratios]
    if sum(minima) > _MOST_PERCENT:
        raise PolicyRatioRefused(f"min ratios {minima} add up to {sum(minima)} %: expected at most 100; lower one of them first")


@dataclass(frozen=True, slots=True)
class ShieldLimits:
    """Hard limits of a cell.

    Attributes:
        n_rbs: RBs of the cell; all quotas together never exceed them.
        urllc_minimum_rbs: that many go to URLLC, or as many as it needs if those are fewer.
        most_change_rbs: by which a slice's quota may change from one frame to the next; `n_rbs` is no limit at all.
        ratios: RRMPolicyRatio by slice.

    Raises:
        PolicyRatioRefused: the ratios break their rules, or leave URLLC's minimum no room.
    """

    n_rbs: int
    urllc_minimum_rbs: int = 0
    most_change_rbs: int = 1_000_000
    ratios: tuple[PolicyRatio, ...] = OPEN_RATIOS
    _floors: tuple[tuple[int, int], ...] = field(init=False, repr=False)
    _caps: Quotas = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_ratios(self.ratios)
        floors = tuple((r.dedicated * self.n_rbs // 100, r.minimum * self.n_rbs // 100) for r in self.ratios)
        caps = tuple(r.maximum * self.n_rbs // 100 for r in self.ratios)
        others = sum(minimum for _, minimum in floors[:URLLC])
        if self.urllc_minimum_rbs > min(caps[URLLC], self.n_rbs - others):
            raise PolicyRatioRefused(
                f"ratios {[tuple(ratio) for ratio in self.ratios]} leave URLLC {min(caps[URLLC], self.n_rbs - others)} of"
                f" {self.n_rbs} RBs and its minimum is {self.urllc_minimum_rbs}: lower the other minima or raise its maximum"
            )
        object.__setattr__(self, "_floors", floors)
        object.__setattr__(self, "_caps", caps)

    def hard_bounds(self, need_rbs: Sequence[float]) -> tuple[list[int], Quotas]:
        """Least and most RBs of each slice, the rate of change apart; the least ones fit the cell together.

        Args:
            need_rbs: what each slice needs (`World.need_rbs`); a minimum beyond the need is not held against the others.
        """
        lo = [
            max(dedicated, min(minimum, _whole(need))) for (dedicated, minimum), need in zip(self._floors, need_rbs, strict=True)
        ]
        lo[URLLC] = max(lo[URLLC], min(self.urllc_minimum_rbs, _whole(need_rbs[URLLC])))
        return lo, self._caps


class Shielded(NamedTuple):
    """What is safe to apply: the very quotas that were asked if `broken` is None, else the nearest ones that keep the limits."""

    quota_rbs: Quotas
    broken: Limit | None


class Shield:
    """The shield of one O-DU.

    Attributes:
        limits: may be replaced between frames.
    """

    def __init__(self, limits: ShieldLimits) -> None:
        self.limits = limits
        self._former: Quotas | None = None

    def guard(self, wanted_rbs: Sequence[int], need_rbs: Sequence[float]) -> Shielded:
        """The quotas to be applied in this frame; the next frame's rate of change counts from them.

        A rate of change that would break another limit gives way as far as it must: quotas may then change by the least
        number of RBs that leaves anything safe.

        Args:
            wanted_rbs: three integers >= 0.
            need_rbs: three finite numbers >= 0.
        """
        limits = self.limits
        wanted = (wanted_rbs[0], wanted_rbs[1], wanted_rbs[2])
        hard_lo, hard_hi = limits.hard_bounds(need_rbs)
        lo, hi = self._rate_bounds(hard_lo, hard_hi)
        total = wanted[0] + wanted[1] + wanted[2]
        if total <= limits.n_rbs and all(lo[i] <= wanted[i] <= hi[i] for i in range(N_SLICES)):
            self._former = wanted
            return Shielded(wanted, None)
        safe = nearest(wanted, lo, hi, limits.n_rbs)
        self._former = safe
        return Shielded(safe, _broken(wanted, total, limits, (hard_lo, hard_hi)))

    def _rate_bounds(self, hard_lo: list[int], hard_hi: Quotas) -> tuple[list[int], list[int]]:
        former, n_rbs = self._former, self.limits.n_rbs
        change = self.limits.most_change_rbs
        if former is None or change >= n_rbs:
            return hard_lo, list(hard_hi)
        lo = _lowest(former, change, hard_lo, hard_hi)
        while sum(lo) > n_rbs:
            change += 1
            lo = _lowest(former, change, hard_lo, hard_hi)
        hi = [min(hard_hi[i], max(former[i] + change, hard_lo[i])) for i in range(N_SLICES)]
        return lo, hi


def nearest(wanted: Sequence[int], lo: Sequence[int], hi: Sequence[int], capacity: int) -> Quotas:
    """Euclidean projection of whole numbers onto {x : lo <= x <= hi, sum x <= capacity}, in whole numbers.

    Where the clipped point is too large, all give up the same number of RBs as far as their bounds let them (water filling:
    x_i = clip(w_i - level)); what the last level gives up too much goes back one by one, URLLC first.

    Args:
        wanted, lo, hi: three integers each, lo <= hi, sum lo <= capacity.
    """

    def at(level: int) -> list[int]:
        return [min(max(w - level, low), high) for w, low, high in zip(wanted, lo, hi, strict=True)]

    quotas = at(0)
    if sum(quotas) <= capacity:
        return (quotas[0], quotas[1], quotas[2])
    too_low, enough = 0, max(w - low for w, low in zip(wanted, lo, strict=True))
    while enough - too_low > 1:
        middle = (too_low + enough) // 2
        if sum(at(middle)) > capacity:
            too_low = middle
        else:
            enough = middle
    before, quotas = at(too_low), at(enough)
    left = capacity - sum(quotas)
    for i in reversed(range(N_SLICES)):
        if left and before[i] > quotas[i]:
            quotas[i] += 1
            left -= 1
    return (quotas[0], quotas[1], quotas[2])


def _lowest(former: Quotas, change: int, hard_lo: Sequence[int], hard_hi: Sequence[int]) -> list[int]:
    return [max(hard_lo[i], min(former[i] - change, hard_hi[i])) for i in range(N_SLICES)]


def _broken(wanted: Quotas, total: int, limits: ShieldLimits, hard: tuple[Sequence[int], Sequence[int]]) -> Limit:
    hard_lo, hard_hi = hard
    if total > limits.n_rbs:
        return "capacity"
    if wanted[URLLC] < hard_lo[URLLC] and limits.urllc_minimum_rbs >= hard_lo[URLLC]:
        return "urllc_minimum"
    if any(not hard_lo[i] <= wanted[i] <= hard_hi[i] for i in range(N_SLICES)):
        return "policy_ratio"
    return "rate"


def _whole(need_rbs: float) -> int:
    return -int(-need_rbs // 1)
