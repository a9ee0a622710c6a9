"""What masks next hops beyond capacity and latency; a policy decides under the rules it has learnt under."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.network.city import City, IntArray

LOOKAHEADS = ("snapshot", "idle")


@dataclass(frozen=True)
class MaskRules:
    """Which next hops are valid, beyond capacity and latency.

    Attributes:
        lookahead: `snapshot`: a hop is valid if some route with room, now, keeps the budget from there (no way leads astray);
            `idle`: if one would on the idle city, as in the paper.
        detour_ms: by service key, how much longer than its fastest route a request may take, >= 0; those not named, any.
        regret_ms: how much longer a hop may be than the best one for the guide that likes it most, >= 0; None, any. A hop that no
            guide would take is left out, which spares agents the wandering they would have to unlearn.
        decline: whether an agent may decline a request at its source, to leave the room to others.
        revisits: whether a switch may be passed again in the same stage where nothing else is left.
    """

    lookahead: str = "snapshot"
    detour_ms: Mapping[str, float] = field(default_factory=dict)
    revisits: bool = True
    regret_ms: float | None = None
    decline: bool = False

    def __post_init__(self) -> None:
        """Raises `OutOfRange` for an unknown lookahead or a detour that is negative or not finite."""
        if self.lookahead not in LOOKAHEADS:
            raise OutOfRange(f"lookahead {self.lookahead!r}: expected one of {', '.join(LOOKAHEADS)}")
        for key, value in self.detour_ms.items():
            if not (math.isfinite(value) and value >= 0.0):
                raise OutOfRange(f"detour_ms of {key} is {value}: expected 0 or more milliseconds")
        if self.regret_ms is not None and not (math.isfinite(self.regret_ms) and self.regret_ms >= 0.0):
            raise OutOfRange(f"regret_ms is {self.regret_ms}: expected 0 or more milliseconds")

    def limits(self, city: City) -> tuple[IntArray, bool]:
        """The form `kernels.observe` takes."""
        detour_us = [round(self.detour_ms[spec.key] * 1000) if spec.key in self.detour_ms else -1 for spec in city.services]
        regret_us = [-1 if self.regret_ms is None else round(self.regret_ms * 1000)] * len(detour_us)
        decline = [int(self.decline)] * len(detour_us)
        return np.array([detour_us, regret_us, decline], dtype=np.int64), not self.revisits

    @property
    def idle_floor(self) -> bool:
        return self.lookahead == "idle"
