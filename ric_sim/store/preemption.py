"""Whom a commit displaces when a link or host lacks room. The Lua script `preempt-7.lua` makes the very same choice.

Nobody of the flow's own priority or above; of the others the lowest priority first, and as few as suffice: whoever makes
room for most on his own, the newest among equals. None of those chosen could have been spared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ric_sim.domain.reservation import CommitRequest, UsedAmounts


class Holding(NamedTuple):
    """A live reservation. `version` is that of its COMMIT (higher is newer); `amounts` by resource."""

    flow_id: str
    priority: int
    version: int
    amounts: Mapping[int, int]


def choose_victims(missing: Mapping[int, int], holdings: Iterable[Holding], priority: int) -> list[Holding] | None:
    """Holdings of less than `priority` that, given back, free at least `missing`; None if all of them are not enough.

    Args:
        missing: resource -> amount > 0 that lacks, in the order of the request's entries.
    Returns:
        In the order of choice: lowest priority first.
    """
    outstanding = dict(missing)
    candidates = [held for held in holdings if held.priority < priority and any(r in held.amounts for r in missing)]
    chosen: list[Holding] = []
    while outstanding:
        useful = [held for held in candidates if any(r in held.amounts for r in outstanding)]
        if not useful:
            return None
        best = max(useful, key=lambda held: _merit(held, outstanding))
        candidates.remove(best)
        chosen.append(best)
        outstanding = {r: lack - best.amounts.get(r, 0) for r, lack in outstanding.items() if lack > best.amounts.get(r, 0)}
    return _without_spare(chosen, missing)


def held_below(priority: int, live: Iterable[CommitRequest], n_resources: int) -> UsedAmounts:
    """uint32 [n_resources], what reservations of less than `priority` hold together."""
    held = np.zeros(n_resources, dtype=np.uint32)
    for request in live:
        if request.priority < priority:
            for resource, amount in request.entries:
                held[resource] += amount
    return held


def _merit(held: Holding, outstanding: Mapping[int, int]) -> tuple[int, int, int, int]:
    """Lowest priority, then most resources settled at once, then (if none) most of the first one, then newest."""
    settled = sum(held.amounts.get(r, 0) >= lack for r, lack in outstanding.items())
    first = next(iter(outstanding))
    return (-held.priority, settled, 0 if settled else held.amounts.get(first, 0), held.version)


def _without_spare(chosen: Sequence[Holding], missing: Mapping[int, int]) -> list[Holding]:
    """Spares whom the others make superfluous, those of highest priority first, then the oldest."""
    freed = {r: sum(held.amounts.get(r, 0) for held in chosen) for r in missing}
    spared = set()
    for held in sorted(chosen, key=lambda held: (-held.priority, held.version)):
        if all(freed[r] - held.amounts.get(r, 0) >= lack for r, lack in missing.items()):
            spared.add(held.flow_id)
            for r in missing:
                freed[r] -= held.amounts.get(r, 0)
    return [held for held in chosen if held.flow_id not in spared]
