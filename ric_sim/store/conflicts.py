"""Conflicts between xApps: RAN parameters are set in one step with the check against who holds them, and all is logged.

Refused commits are logged by the commit scripts themselves (lua/shared/takers.lua), in the step that refuses them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.store.access import StoreAccess
from ric_sim.store.codec import Reply
from ric_sim.store.connection import TranslatedErrors
from ric_sim.store.keys import StoreKeys, parameters_key
from ric_sim.store.scripts import load_script

KINDS = ("direct", "indirect", "capacity", "preemption", "rule")
MAX_LISTED = 1_000
MAX_HOLD_MS = 3_600_000
MAX_PRIORITY = 100
MAX_BLOCK_MS = 1_000
_PAGE = 500


@dataclass(frozen=True, slots=True)
class ParameterSetting:
    """One parameter of a control.

    Attributes:
        name: e.g. `urllc.min`.
        value, initial: integers; `initial` is what holds where nobody has set it.
        effects: (KPI, 1 or -1): the KPI rises or falls when the parameter rises.
    """

    name: str
    value: int
    initial: int
    effects: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterControl:
    """What an xApp wants of one E2 node, as a whole.

    Attributes:
        priority: 0 to 100; a holder gives way to a higher one only.
        hold_ms: how long nobody of the same or a lower priority may change the parameters, 0 to one hour of wall clock.
    """

    node: str
    xapp: str
    priority: int
    hold_ms: int
    settings: tuple[ParameterSetting, ...]

    def __post_init__(self) -> None:
        if not (self.xapp and self.node and self.settings):
            raise InvalidInput("a control needs an xApp, a node and at least one parameter")
        if not (0 <= self.priority <= MAX_PRIORITY and 0 <= self.hold_ms <= MAX_HOLD_MS):
            raise OutOfRange(
                f"priority {self.priority}, hold {self.hold_ms} ms: expected 0 to {MAX_PRIORITY} and 0 to {MAX_HOLD_MS} ms"
            )


@dataclass(frozen=True, slots=True)
class LoggedConflict:
    """An entry of the log. `details` differ by kind: kind, and winner, loser and reason or what they are made from."""

    entry_id: str
    at_ms: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a control.

    Attributes:
        version: of the node's parameters, after it.
        conflict: that it lost if not applied; whose loser gave way to it if applied; None if there was none.
    """

    applied: bool
    version: int
    conflict: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Holding:
    """Who set a parameter last, with which priority, and until when it is kept for that xApp (ms of wall clock since 1970)."""

    xapp: str
    priority: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class NodeParameters:
    """What holds at a node and who set it, by parameter name."""

    version: int
    values: Mapping[str, int]
    holdings: Mapping[str, Holding]


class StoredConflicts:
    """Parameters and conflict log of a namespace, for an event loop. Every method raises `StoreUnreachable` if it is away."""

    def __init__(self, store: str | StoreAccess, namespace: str, *, patience_s: float = 5.0) -> None:
        self._keys, self._parameters = StoreKeys.of(namespace), parameters_key(namespace)
        access = StoreAccess.of(store)
        self._errors = TranslatedErrors(access.address)
        self._client = access.async_client(patience_s=patience_s)
        self._client.response_callbacks.clear()

    async def control(self, control: ParameterControl, *, now_ms: int) -> Verdict:
        """Decides a control and, if it wins, puts it in force, in one step.

        Args:
            now_ms: wall clock.
        """
        script = load_script("control")
        arguments = (self._parameters, self._keys.conflicts, self._keys.conflict_counts, control.node, _encode(control, now_ms))
        with self._errors:
            try:
                reply = await self._client.execute_command("EVALSHA", script.sha1, script.n_keys, *arguments)
            except NoScriptError:
                reply = await self._client.execute_command("EVAL", script.source, script.n_keys, *arguments)
        code, version, conflict = reply
        return Verdict(code == Reply.OK, version, json.loads(conflict) if conflict else None)

    async def nodes(self) -> dict[str, NodeParameters]:
        """What holds at every node where anything was ever set."""
        flat = await self._ask("HGETALL", self._parameters)
        held = {node.decode(): json.loads(value) for node, value in zip(flat[::2], flat[1::2], strict=True)}
        return {node: _parameters(known) for node, known in held.items()}

    async def recent(self, limit: int, *, kind: str = "") -> list[LoggedConflict]:
        """Newest first, at most `limit` (1 to 1000), of one kind or of all."""
        if not 1 <= limit <= MAX_LISTED:
            raise OutOfRange(f"limit {limit}: expected 1 to {MAX_LISTED}")
        found: list[LoggedConflict] = []
        before = "+"
        while len(found) < limit:
            page = await self._ask("XREVRANGE", self._keys.conflicts, before, "-", "COUNT", _PAGE)
            found += [entry for entry in map(_entry, page) if kind in ("", entry.details["kind"])]
            if len(page) < _PAGE:
                break
            before = f"({page[-1][0].decode()}"
        return found[:limit]

    async def counts(self) -> dict[str, int]:
        """How many there were of each kind since the namespace was created."""
        flat = await self._ask("HGETALL", self._keys.conflict_counts)
        known = {kind.decode(): int(count) for kind, count in zip(flat[::2], flat[1::2], strict=True)}
        return {kind: known.get(kind, 0) for kind in KINDS}

    async def newest_id(self) -> str:
        """Id of the newest entry, to follow the log from; `0-0` where there is none."""
        page = await self._ask("XREVRANGE", self._keys.conflicts, "+", "-", "COUNT", 1)
        return page[0][0].decode() if page else "0-0"

    async def after(self, entry_id: str) -> list[LoggedConflict]:
        """The next entries, oldest first; none after waiting a second for one."""
        reply = await self._ask("XREAD", "COUNT", _PAGE, "BLOCK", MAX_BLOCK_MS, "STREAMS", self._keys.conflicts, entry_id)
        return [_entry(entry) for entry in reply[0][1]] if reply else []

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _ask(self, *command: str | int) -> Any:
        with self._errors:
            return await self._client.execute_command(*command)


def _encode(control: ParameterControl, now_ms: int) -> str:
    settings = [
        {"name": s.name, "value": s.value, "initial": s.initial, "effects": [list(effect) for effect in s.effects]}
        for s in control.settings
    ]
    fields = {"xapp": control.xapp, "priority": control.priority, "hold_ms": control.hold_ms, "now_ms": now_ms}
    return json.dumps({**fields, "parameters": settings})


def _parameters(held: Mapping[str, Any]) -> NodeParameters:
    found = held["parameters"]
    holdings = {name: Holding(p["xapp"], p["priority"], p["until_ms"]) for name, p in found.items()}
    return NodeParameters(held["version"], {name: p["value"] for name, p in found.items()}, holdings)


def _entry(raw: Sequence[Any]) -> LoggedConflict:
    entry_id = raw[0].decode()
    return LoggedConflict(entry_id, int(entry_id.partition("-")[0]), json.loads(raw[1][1]))
