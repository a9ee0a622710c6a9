"""What radio networks are to put in force, and what they have confirmed: ratios of xApps and guarantees of A1 policies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from ric_sim.domain.errors import InvalidInput
from ric_sim.e2.conflict_couplings import SliceRatio, ratios_in
from ric_sim.e2.conflict_guard import ConflictGuard
from ric_sim.e2.policies import PolicyBook
from ric_sim.e2.slice_guarantees import Capacity, guaranteed_minima, with_guarantees

LOOK_EVERY_S = 0.1
HEARTBEAT_S = 1.0
SILENCE_S = 3.0
"""A radio network that has confirmed nothing for so long is taken for lost."""

Ratios = dict[str, tuple[int, list[SliceRatio]]]
"""Version of what xApps have set and the ratio of every slice, by O-DU."""


@dataclass(eq=False, slots=True)
class EnforcingRadio:
    """A radio network that is attached.

    Attributes:
        unmet: policies that what was sent leaves out, by generation; from the last confirmed one on.
        heard_s: its last confirmation (monotonic).
        closed: it will confirm nothing any more.
    """

    capacity: Capacity
    unmet: dict[int, frozenset[str]] = field(default_factory=dict)
    heard_s: float = field(default_factory=time.monotonic)
    closed: bool = False


class RatioEnforcement:
    """Between the conflict guard, the policies, and those who put both in force. One event loop, no locks."""

    def __init__(self, guard: ConflictGuard, policies: PolicyBook) -> None:
        self._guard, self._policies = guard, policies

    async def demands(self, radio: EnforcingRadio) -> AsyncIterator[tuple[int, Ratios]]:
        """Generation of the policies and every O-DU's ratios, then those that have changed, or none every `HEARTBEAT_S`."""
        known: Ratios = {}
        generation, told_s = -1, 0.0
        while not radio.closed:
            now_s, wanted_generation = time.monotonic(), self._policies.rules.generation
            wanted, unmet = self._wanted(radio.capacity)
            changed = {node: found for node, found in wanted.items() if known.get(node) != found}
            if changed or generation != wanted_generation or now_s - told_s >= HEARTBEAT_S:
                known, generation, told_s = wanted, wanted_generation, now_s
                radio.unmet[generation] = unmet
                yield generation, changed
            if now_s - radio.heard_s > SILENCE_S:
                self.lost(radio)
            await asyncio.sleep(LOOK_EVERY_S)

    def confirmed(self, radio: EnforcingRadio, generation: int, refused: Collection[str]) -> None:
        """Its word that all it was told up to a generation is in force, but for the O-DUs `refused`.

        Raises:
            InvalidInput: it was never told of that generation.
        """
        if generation not in radio.unmet:
            raise InvalidInput(f"a radio network confirms policy generation {generation}: expected one it was sent")
        radio.heard_s = time.monotonic()
        radio.unmet = {sent: unmet for sent, unmet in radio.unmet.items() if sent >= generation}
        if refused:
            self.lost(radio)
        else:
            self._policies.enforced_by_radio(radio, generation, radio.unmet[generation])

    def lost(self, radio: EnforcingRadio) -> None:
        """Nothing counts as enforced by it."""
        self._policies.radio_lost(radio)

    def _wanted(self, capacity: Capacity) -> tuple[Ratios, frozenset[str]]:
        minima, unmet = guaranteed_minima(self._policies.rules.guarantees.values(), capacity)
        by_xapps = self._guard.ratios()
        wanted: Ratios = {}
        for node in capacity.ran_names:
            version, ratios = by_xapps.get(node, (0, ratios_in({})))
            wanted[node] = (version, with_guarantees(ratios, minima, capacity))
        return wanted, unmet
