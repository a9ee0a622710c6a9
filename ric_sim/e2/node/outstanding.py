"""Requests that exist and have no final record yet: which are to be sent, which were, and when the node stops waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ric_sim.domain.flow import FlowRequest
from ric_sim.e2.node.subscriptions import Port, Raising


class OpenRequest:
    """One unsettled request. `sent` is about the present association, `resent` says an earlier one took it away."""

    __slots__ = ("deadline_s", "flow", "index", "port", "resent", "sent")

    def __init__(self, index: int, flow: FlowRequest, port: Port, deadline_s: float) -> None:
        self.index = index
        self.flow = flow
        self.port = port
        self.deadline_s = deadline_s
        self.sent = False
        self.resent = False

    @property
    def known_to_ric(self) -> bool:
        """Whether a RIC may have taken it, now or on an association that broke."""
        return self.sent or self.resent


class Release(NamedTuple):
    """What left the queue: to be sent, and to be defaulted because nobody subscribes any more."""

    to_send: list[OpenRequest]
    unwanted: list[OpenRequest]


class Outstanding:
    """All unsettled requests, in the order they were raised; every one waits equally long."""

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._open: dict[int, OpenRequest] = {}
        self._unsent: dict[Port, dict[int, OpenRequest]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, index: int) -> OpenRequest | None:
        """The request of flow `index`, None if it is not open."""
        return self._open.get(index)

    @property
    def n_unsent(self) -> int:
        return sum(map(len, self._unsent.values()))

    def add(self, index: int, flow: FlowRequest, port: Port, now_s: float) -> None:
        """The request of flow `index` was raised; it is queued until `release`."""
        request = OpenRequest(index, flow, port, now_s + self._wait_s)
        self._open[index] = request
        self._unsent.setdefault(port, {})[index] = request

    def remove(self, index: int) -> OpenRequest | None:
        """The request has its final record; None if it was not open."""
        request = self._open.pop(index, None)
        if request is not None and not request.sent:
            waiting = self._unsent[request.port]
            del waiting[index]
            if not waiting:
                del self._unsent[request.port]
        return request

    def release(self, raising: Callable[[Port], Raising]) -> Release:
        """Takes from the queue, in order of arrival, what may be sent; what nobody wants stays open for the caller to settle."""
        released = Release([], [])
        if not self._unsent:
            return released
        for port in list(self._unsent):
            verdict = raising(port)
            if verdict is Raising.OPEN:
                released.to_send.extend(self._unsent.pop(port).values())
            elif verdict is Raising.CLOSED:
                released.unwanted.extend(self._unsent[port].values())
        released.to_send.sort(key=lambda request: request.index)
        for request in released.to_send:
            request.sent = True
        return released

    def all(self) -> list[OpenRequest]:
        """Every open request, oldest first."""
        return list(self._open.values())

    def expired(self, now_s: float) -> list[OpenRequest]:
        """Requests that have waited long enough, oldest first; they stay open for the caller to settle."""
        expired = []
        for request in self._open.values():
            if request.deadline_s > now_s:
                break
            expired.append(request)
        return expired

    def association_lost(self) -> None:
        """Everything sent is to be sent again."""
        self._unsent.clear()
        for index, request in self._open.items():
            request.resent = request.resent or request.sent
            request.sent = False
            self._unsent.setdefault(request.port, {})[index] = request
