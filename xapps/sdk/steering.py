"""What A1 policies leave of the network: links an agent may not use are shown to it as full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ric_sim.domain.reservation import UsedAmounts
from ric_sim.network.city import City
from ricity.e2.v1 import xapp_pb2


class _Closed(NamedTuple):
    forbidden: np.ndarray  # int64, resources
    avoided: np.ndarray


class Steering:
    """The rules of the RIC's newest notice, for one association."""

    def __init__(self, city: City) -> None:
        self._limits = city.limits
        self._closed: dict[int, _Closed] = {}

    def take(self, notice: xapp_pb2.SteeringNotice) -> None:
        """Replaces the rules. Resources the city does not have are none of an agent's business."""
        self._closed = {item.service: _Closed(self._known(item.forbidden), self._known(item.avoided)) for item in notice.services}

    def bases(self, service: int, used: UsedAmounts) -> Iterator[UsedAmounts]:
        """What to plan on, best first: the next one counts only if there is no route on the one before.

        Yields:
            uint32 [n_resources], read-only: `used`, with what is closed to the service used up.
        """
        closed = self._closed.get(service)
        if closed is None:
            yield used
            return
        obliging = _filled(used, self._limits, closed.forbidden)
        if len(closed.avoided):
            yield _filled(obliging, self._limits, closed.avoided)
        yield obliging

    def _known(self, resources: object) -> np.ndarray:
        known = np.array(resources, dtype=np.int64)
        return known[known < len(self._limits)]


def _filled(used: UsedAmounts, limits: UsedAmounts, resources: np.ndarray) -> UsedAmounts:
    filled = used.copy()
    filled[resources] = np.maximum(used[resources], limits[resources])
    filled.setflags(write=False)
    return filled
