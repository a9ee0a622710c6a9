"""The registry's REST interface: models with their versions, stages and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ric_sim.domain.errors import NotFound, PartUnreachable
from services.console.feeds import Feed, Sections
from services.console.hub import Section
from services.console.parts import Places
from services.console.rest_source import ACT_WITHIN_S, RestSource

EVERY_S = 4.0
MOST_MODELS = 60
MOST_VERSIONS = 20
"""Of one model, the newest ones, and what is served however old it is."""

_SHOWN = ("version", "stage", "created", "parent", "feature_version", "metrics", "collected")
_SERVED = ("canary", "production")


class RegistryFeed:
    """One registry, if there is one."""

    def __init__(self, source: RestSource) -> None:
        self._source = source

    async def close(self) -> None:
        """Closes the connections."""
        await self._source.close()

    def feed(self) -> Feed:
        """The feed of `models`."""
        return Feed(("models",), EVERY_S, self._read)

    async def act(self, places: Places, method: str, path: str, body: bytes | None) -> httpx.Response:
        """What an operator wants of it: the registry's answer as it is. Raises `NotFound` if there is no registry."""
        if not places.registry:
            raise NotFound("this console has no model registry: say where it is with RICITY_REGISTRY_URL")
        return await self._source.ask(places.registry, method, path, body=body, within_s=ACT_WITHIN_S)

    async def _read(self, places: Places) -> Sections:
        if not places.registry:
            return {"models": {"connected": True, "offered": False, "models": []}}
        return {"models": models_section(await self._source.document(places.registry, "/registry/v1/models"))}


def models_section(answer: Any) -> Section:
    """What the page shows of the registry's list, newest versions first.

    Raises:
        PartUnreachable: it is no list of models.
    """
    try:
        models = [_model(each) for each in answer[:MOST_MODELS]]
    except (TypeError, KeyError, AttributeError) as error:
        raise PartUnreachable(f"the registry: expected a list of models with versions ({error!r:.120})") from error
    return {"connected": True, "offered": True, "models": models, "total": len(answer)}


def _model(model: Mapping[str, Any]) -> Section:
    newest_first = sorted(model["versions"], key=lambda each: each["version"], reverse=True)
    kept = [each for index, each in enumerate(newest_first) if index < MOST_VERSIONS or each["stage"] in _SERVED]
    return {
        "name": model["name"],
        "total": len(newest_first),
        "can_roll_back": len(model["served"]) > 1,
        "versions": [_version(each) for each in kept],
    }


def _version(version: Mapping[str, Any]) -> Section:
    files = version["files"]
    lineage = files[0].get("lineage", {}) if files else {}
    return {
        **{name: version[name] for name in _SHOWN},
        "sha256": version["sha256"][:12],
        "agents": [each["agent"] for each in files],
        "lineage": {name: value for name, value in lineage.items() if value not in ("", None, [])},
    }
