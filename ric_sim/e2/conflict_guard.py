"""The RIC's conflict guard: slice ratios set by xApps, and the log of all conflicts in words that people know."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ric_sim.domain.errors import InvalidInput, PolicyRatioRefused, StoreUnreachable, UnknownKey
from ric_sim.e2.conflict_couplings import SliceHolder, SliceRatio, holders_in, ratios_in, settings_of
from ric_sim.store.conflicts import KINDS, LoggedConflict, NodeParameters, ParameterControl, Verdict
from ric_sim.telemetry import counter

DEFAULT_HOLD_MS = 5_000
HEARTBEAT_S = 1.0
RETRY_S = 0.5
MAX_XAPP_NAME = 64

_NODE = re.compile(r"du_(0|[1-9][0-9]{0,2})")


class ConflictStorage(Protocol):
    """Where controls are decided and conflicts logged; `ric_sim.store.conflicts.StoredConflicts`."""

    async def control(self, control: ParameterControl, *, now_ms: int) -> Verdict: ...

    async def nodes(self) -> dict[str, NodeParameters]: ...

    async def recent(self, limit: int, *, kind: str = "") -> list[LoggedConflict]: ...

    async def counts(self) -> dict[str, int]: ...

    async def newest_id(self) -> str: ...

    async def after(self, entry_id: str) -> list[LoggedConflict]: ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict that was decided. `parameter` is what two wanted; winner and loser are xApps; `at_ms` since 1970."""

    at_ms: int
    kind: str
    parameter: str
    winner: str
    loser: str
    reason: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What the log's numbers are called."""

    xapp_of: Callable[[int], str]
    resource: Callable[[int], str]


class ConflictGuard:
    """One per RIC process and event loop."""

    def __init__(self, storage: ConflictStorage, names: Names, priorities: Mapping[str, int]) -> None:
        """`priorities`: declared, xApp name -> 0 to 100; 0 for whom it does not name."""
        self._storage, self._names, self._priorities = storage, names, dict(priorities)
        self._nodes: dict[str, NodeParameters] = {}
        self._news = asyncio.Event()

    async def restore(self) -> None:
        """Takes up what the store holds."""
        self._nodes = await self._storage.nodes()

    async def control(
        self, xapp_name: str, node: str, ratios: Sequence[SliceRatio], *, hold_ms: int = 0
    ) -> tuple[Verdict, Conflict | None]:
        """Sets slice ratios of an O-DU for an xApp, all or none, in one step with the check against the others'.

        Args:
            hold_ms: how long nobody of the same or a lower priority may change them; 0: five seconds.
        Returns:
            The verdict, and the conflict that was lost, or won.
        Raises:
            PolicyRatioRefused: the ratios break RRMPolicyRatio's rules by themselves; logged as every other refusal.
            InvalidInput: names that cannot be, no ratios or a slice twice.
        """
        if not 1 <= len(xapp_name) <= MAX_XAPP_NAME:
            raise InvalidInput(f"xApp name {xapp_name[:MAX_XAPP_NAME]!r}: expected 1 to {MAX_XAPP_NAME} characters")
        if not _NODE.fullmatch(node):
            raise InvalidInput(f"node {node!r:.80}: expected an O-DU of the radio network, e.g. du_3")
        control = ParameterControl(
            node, xapp_name, self._priorities.get(xapp_name, 0), hold_ms or DEFAULT_HOLD_MS, settings_of(ratios)
        )
        now_ms = time.time_ns() // 1_000_000
        verdict = await self._storage.control(control, now_ms=now_ms)
        if verdict.applied:
            self._nodes = await self._storage.nodes()
            self._tell()
        conflict = self._conflict(verdict.conflict, now_ms) if verdict.conflict else None
        if conflict is not None and not verdict.applied and conflict.kind == "rule":
            raise PolicyRatioRefused(f"{conflict.parameter}: {conflict.reason}; nothing was changed")
        return verdict, conflict

    def ratios(self) -> dict[str, tuple[int, list[SliceRatio]]]:
        """Every O-DU where ratios were ever set: their version and the ratio of each slice."""
        return {node: (known.version, ratios_in(known.values)) for node, known in sorted(self._nodes.items())}

    def holders(self) -> dict[str, list[SliceHolder]]:
        """Of every O-DU in `ratios`: who set them."""
        return {node: holders_in(known.holdings) for node, known in self._nodes.items()}

    async def watch_ratios(self) -> AsyncIterator[dict[str, tuple[int, list[SliceRatio]]]]:
        """What `ratios` says, then what has changed; empty when nothing has for `HEARTBEAT_S`."""
        sent: dict[str, int] = {}
        while True:
            news, current = self._news, self.ratios()
            yield {node: found for node, found in current.items() if sent.get(node) != found[0]}
            sent = {node: version for node, (version, _) in current.items()}
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await news.wait()
            except TimeoutError:
                continue

    async def recent(self, limit: int, *, kind: str = "") -> tuple[list[Conflict], dict[str, int]]:
        """The newest conflicts, newest first, and how many of each kind there were in all."""
        if kind and kind not in KINDS:
            raise UnknownKey("kind of conflict", kind, KINDS)
        entries = await self._storage.recent(limit, kind=kind)
        return [self._of_entry(entry) for entry in entries], await self._storage.counts()

    async def watch(self) -> AsyncIterator[list[Conflict]]:
        """Conflicts from now on, oldest first; an empty list when there was none for a second."""
        position = await self._storage.newest_id()
        yield []
        while True:
            entries = await self._storage.after(position)
            if entries:
                position = entries[-1].entry_id
            yield [self._of_entry(entry) for entry in entries]

    async def run(self) -> None:
        """Counts conflicts for the metrics, until cancelled; while the store is away, it waits."""
        counted = {kind: counter("ricity_ric_conflicts_total").labels(kind=kind) for kind in KINDS}
        position = ""
        while True:
            try:
                position = position or await self._storage.newest_id()
                for entry in await self._storage.after(position):
                    counted[entry.details["kind"]].inc()
                    position = entry.entry_id
            except StoreUnreachable:
                await asyncio.sleep(RETRY_S)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _of_entry(self, entry: LoggedConflict) -> Conflict:
        return self._conflict(entry.details, entry.at_ms, entry.entry_id)

    def _conflict(self, details: Mapping[str, Any], at_ms: int, entry_id: str = "") -> Conflict:
        if "winner" in details:
            told = (details["parameter"], details["winner"], details["loser"], details["reason"])
        else:
            told = (self._contested(details), *self._parties(details), _reason(details))
        return Conflict(at_ms, details["kind"], *told, entry_id)

    def _contested(self, details: Mapping[str, Any]) -> str:
        if "resource" in details:
            return self._names.resource(int(details["resource"]))
        return f"reservation of {details['loser_flow']}"

    def _parties(self, details: Mapping[str, Any]) -> tuple[str, str]:
        return self._names.xapp_of(int(details["winner_service"])), self._names.xapp_of(int(details["loser_service"]))


def _reason(details: Mapping[str, Any]) -> str:
    if details["kind"] == "capacity":
        return (
            f"{details['winner_flow']} took it with version {details['winner_version']}, after {details['loser_flow']} was"
            f" planned on {details['planned']}; {details['used']} of {details['limit']} are in use"
        )
    return (
        f"{details['winner_flow']} of priority {details['winner_priority']} displaced it: its priority is"
        f" {details['loser_priority']} and there was no room for both"
    )
