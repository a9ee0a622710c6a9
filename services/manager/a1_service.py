"""A1-P without HTTP: what both dialects do to policies."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ric_sim.domain.errors import InvalidInput, NotFound, OversizeMessage
from services.common.json_text import check_text
from services.manager.a1_book import PolicyCache
from services.manager.a1_destinations import Destinations
from services.manager.a1_types import POLICY_TYPES, PolicyType
from services.manager.ric_link import RicLink

MAX_DOCUMENT_BYTES = 256 * 1024


class PolicyService:
    """Policies by type and id."""

    def __init__(self, cache: PolicyCache, link: RicLink, destinations: Destinations) -> None:
        self.cache = cache
        self._destinations = destinations
        self._link = link

    async def put(self, policy_type: PolicyType, policy_id: str, body: bytes, *, destination: str = "") -> bool:
        """Creates (True) or replaces (False) a policy.

        Raises:
            InvalidInput: no JSON, against the schema, names what the city does not have, the id is another type's, or the
                destination may not be called.
            OversizeMessage, Overloaded, RicUnreachable: nothing changed, but the last leaves it open.
        """
        self.cache.exists(policy_type.type_id, policy_id)
        document = parse(body)
        policy = policy_type.policy(policy_id, document)
        policy.document_json = json.dumps(document)
        policy.notification_destination = self._destinations.check(destination) if destination else ""
        return await self._link.put(policy)

    async def delete(self, type_id: str, policy_id: str) -> None:
        """Ends a policy. Raises `NotFound`, `RicUnreachable`."""
        self.cache.find(type_id, policy_id)
        await self._link.delete(type_id, policy_id)


def find_type(type_id: str) -> PolicyType:
    """The policy type; `NotFound` names those there are."""
    if type_id not in POLICY_TYPES:
        raise NotFound(f"no policy type {type_id!r:.140}: expected one of {', '.join(POLICY_TYPES)}")
    return POLICY_TYPES[type_id]


def check_size(n_bytes: int) -> None:
    """Raises `OversizeMessage` for a body of more than `MAX_DOCUMENT_BYTES`."""
    if n_bytes > MAX_DOCUMENT_BYTES:
        raise OversizeMessage(f"a policy of {n_bytes} bytes or more: at most {MAX_DOCUMENT_BYTES} are taken")


def parse(body: bytes) -> Any:
    """The JSON of a request's body."""
    try:
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is no JSON document: {error}") from error
    check_text(document)
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
