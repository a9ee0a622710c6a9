"""The manager's REST interface: xApps as they shall be, rollouts, A/B tests, conflicts, A1 policies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx

from ric_sim.domain.errors import PartUnreachable
from services.console.feeds import Feed, Sections
from services.console.hub import Section
from services.console.parts import Places
from services.console.rest_source import ACT_WITHIN_S, RestSource

A1 = "/A1-P/v2"
EVERY_S = 2.0
MOST_ROWS = 50
MOST_CONFLICTS = 100
MOST_POINTS = 120
MOST_REPORTS = 6
"""A/B tests that are shown with their evidence, the newest ones."""

MOST_POLICIES = 60
DOCUMENT_EVERY_S = 30.0
"""How long a policy's document is taken for what it was; a change made on the page is seen at once."""

_LISTS = {
    "desired_xapps": ("/v1/xapps", "xapps"),
    "rollouts": ("/v1/rollouts", "rollouts"),
    "ab": ("/v1/ab", "tests"),
    "conflicts": (f"/v1/conflicts?limit={MOST_CONFLICTS}", "conflicts"),
}


class ManagerFeeds:
    """One manager."""

    def __init__(self, source: RestSource) -> None:
        self._source = source
        self._documents: dict[tuple[str, str], tuple[float, Any]] = {}
        self._types: list[Section] = []
        self._reports: dict[str, Section] = {}

    async def close(self) -> None:
        """Closes the connections."""
        await self._source.close()

    def feeds(self) -> list[Feed]:
        """What it manages, and A1 policies."""
        lists = [Feed((section,), EVERY_S, self._reader(section)) for section in _LISTS]
        return [*lists, Feed(("policies",), EVERY_S, self._policies)]

    async def change_policy(
        self, places: Places, method: str, type_id: str, policy_id: str, body: bytes | None
    ) -> httpx.Response:
        """Creates, replaces (PUT) or deletes (DELETE) a policy: the manager's answer as it is."""
        self._documents.pop((type_id, policy_id), None)
        return await self.act(places, method, _policy_path(type_id, policy_id), body)

    async def act(self, places: Places, method: str, path: str, body: bytes | None) -> httpx.Response:
        """Whatever else an operator wants of it: the manager's answer as it is."""
        return await self._source.ask(places.manager, method, path, body=body, within_s=ACT_WITHIN_S)

    def _reader(self, section: str) -> Callable[[Places], Awaitable[Sections]]:
        path, key = _LISTS[section]

        async def read(places: Places) -> Sections:
            found = list_section(await self._source.document(places.manager, path), key)
            if section == "ab":
                found[key] = await asyncio.gather(*(self._report(places, row) for row in found[key][:MOST_REPORTS]))
            return {section: found}

        return read

    async def _report(self, places: Places, row: Section) -> Section:
        """An A/B test with its evidence; one that has ended stays as it is."""
        test_id = str(row.get("id"))
        kept = self._reports.get(test_id)
        if kept is not None and kept["state"] == row.get("state") and row.get("ended_at") is not None:
            return kept
        found = await self._source.document(places.manager, f"/v1/ab/{quote(test_id, safe='')}")
        if not isinstance(found, dict):
            return row
        self._reports[test_id] = thinned(found)
        return self._reports[test_id]

    async def _policies(self, places: Places) -> Sections:
        if not await self._load_types(places):
            return {"policies": {"connected": True, "offered": False, "types": [], "policies": [], "total": 0}}
        listed = await asyncio.gather(
            *(self._source.document(places.manager, f"{A1}/policytypes/{quote(each['id'])}/policies") for each in self._types)
        )
        ids = [(each["id"], policy_id) for each, found in zip(self._types, listed, strict=True) for policy_id in found or ()]
        shown = await asyncio.gather(*(self._policy(places, *pair) for pair in ids[:MOST_POLICIES]))
        self._documents = {pair: kept for pair, kept in self._documents.items() if pair in set(ids)}
        rows = [row for row in shown if row is not None]
        return {"policies": {"connected": True, "offered": True, "types": self._types, "policies": rows, "total": len(ids)}}

    async def _load_types(self, places: Places) -> bool:
        """Whether the manager has policy types; their schemas are asked for when their names are others than before."""
        names = await self._source.document(places.manager, f"{A1}/policytypes")
        if not isinstance(names, list):
            return False
        if [each["id"] for each in self._types] != names:
            found = await asyncio.gather(
                *(self._source.document(places.manager, f"{A1}/policytypes/{quote(name)}") for name in names)
            )
            self._types = [{"id": name, "schema": each["policySchema"]} for name, each in zip(names, found, strict=True) if each]
        return True

    async def _policy(self, places: Places, type_id: str, policy_id: str) -> Section | None:
        """None for one that went away in between."""
        path = _policy_path(type_id, policy_id)
        status = await self._source.document(places.manager, f"{path}/status")
        read_s, document = self._documents.get((type_id, policy_id), (-DOCUMENT_EVERY_S, None))
        if time.monotonic() - read_s >= DOCUMENT_EVERY_S:
            document = await self._source.document(places.manager, path)
            self._documents[type_id, policy_id] = (time.monotonic(), document)
        if status is None or document is None:
            return None
        return {
            "type": type_id,
            "id": policy_id,
            "document": document,
            "enforced": status.get("enforceStatus") == "ENFORCED",
            "reason": status.get("enforceReason", ""),
        }


def list_section(answer: Any, key: str) -> Section:
    """The newest rows of one of the manager's lists, newest first where they tell when they started.

    Args:
        answer: the document, None if the manager has no such path.

    Raises:
        PartUnreachable: it is not an object with a list under `key`.
    """
    if answer is None:
        return {"connected": True, "offered": False, key: []}
    rows = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise PartUnreachable(f"the manager: expected an object with a list {key!r}")
    most = MOST_CONFLICTS if key == "conflicts" else MOST_ROWS
    others = {name: value for name, value in answer.items() if name != key}
    if rows and all(isinstance(row, dict) and "started_at" in row for row in rows):
        rows = sorted(rows, key=lambda row: float(row["started_at"]), reverse=True)
    return {"connected": True, "offered": True, **others, key: rows[:most], "total": len(rows)}


def thinned(report: Section) -> Section:
    """A report whose series is long loses points evenly, never the last one."""
    series = report.get("series")
    if not isinstance(series, list) or len(series) <= MOST_POINTS:
        return report
    step = -(-len(series) // MOST_POINTS)
    return {**report, "series": [*series[:-1:step], series[-1]]}


def _policy_path(type_id: str, policy_id: str) -> str:
    return f"{A1}/policytypes/{quote(type_id, safe='')}/policies/{quote(policy_id, safe='')}"
