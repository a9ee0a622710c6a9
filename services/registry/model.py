"""What a registry knows: models, their versions, and which changes of stage are allowed. Values only, no files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, Field

from ric_sim.domain.errors import InvalidInput, NotFound, StageRefused
from ric_sim.network.policies.learned import ALGORITHMS, Lineage
from ric_sim.network.policies.learned.weights import ALL_SERVICES
from ric_sim.network.services_catalogue import SERVICES

_KEY = "[a-z][a-z0-9-]{0,31}"
_ROUTING = re.compile(rf"routing-({'|'.join(ALGORITHMS)})(?:-({_KEY}))?")
_SLICING_OR_CRITIC = re.compile(rf"(slicing|critic)-({_KEY})")


class Kind(StrEnum):
    """Whose decisions a model makes, or, of a critic, who teaches them."""

    ROUTING = "routing"
    SLICING = "slicing"
    CRITIC = "critic"


class Stage(StrEnum):
    """Where a version stands. A model has at most one version in `canary` and one in `production`."""

    STAGED = "staged"
    CANARY = "canary"
    PRODUCTION = "production"
    RETIRED = "retired"


SERVED = (Stage.CANARY, Stage.PRODUCTION)
"""Stages that a folder of their own serves to running xApps."""

_ALLOWED = {
    Stage.STAGED: {Stage.CANARY, Stage.PRODUCTION, Stage.RETIRED},
    Stage.CANARY: {Stage.STAGED, Stage.PRODUCTION, Stage.RETIRED},
    Stage.PRODUCTION: set(),
    Stage.RETIRED: set(),
}
"""What may be asked for. A version leaves production only when another one takes its place, and returns only by a rollback."""


def read_metrics(words: Sequence[str]) -> dict[str, float]:
    """Measured values as people write them, NAME=NUMBER.

    Raises:
        InvalidInput: a word is something else.
    """
    metrics = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            metrics[key] = float(value)
        except ValueError as error:
            raise InvalidInput(f"metric {word[:80]!r}: expected NAME=NUMBER, e.g. gos=0.98") from error
    return metrics


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a name says.

    `routing-<algorithm>`, the agents of all services as one version, or `routing-<algorithm>-<service>`, one agent;
    `slicing-<variant>`, the actors of all O-DUs; `critic-<name>`, a critic and the actors it teaches.

    Attributes:
        variant: the algorithm, the variant, or the critic's name.
        agent: key of the one service; empty for all.
    """

    text: str
    kind: Kind
    variant: str
    agent: str = ""

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Raises `InvalidInput` for a name of another form."""
        if found := _ROUTING.fullmatch(text):
            return cls(text, Kind.ROUTING, found[1], found[2] or "")
        if found := _SLICING_OR_CRITIC.fullmatch(text):
            return cls(text, Kind(found[1]), found[2])
        raise InvalidInput(
            f"model name {text[:80]!r}: expected routing-<algorithm>, routing-<algorithm>-<service>, slicing-<variant> or "
            f"critic-<name>, with an algorithm of {', '.join(ALGORITHMS)}"
        )

    @property
    def folder(self) -> str:
        """Where in a version's folder its files are: where xApps look for them. Empty for the folder itself."""
        return self.variant if self.kind is Kind.ROUTING else ""

    @property
    def required(self) -> tuple[str, ...]:
        """Agents of routing whose files a version must have; a team may bring more. Others say in their files who they are."""
        if self.agent or self.kind is not Kind.ROUTING:
            return (self.agent,) if self.agent else ()
        return (ALL_SERVICES,) if self.variant == "sarl" else tuple(spec.key for spec in SERVICES)


@dataclass(frozen=True)
class ModelFile:
    """One agent of a version.

    Attributes:
        agent: the service it routes, the O-DU it decides for (`du_0`), or `critic`. Older indexes call it `service`.
        sha256: of its spec and tensors, the one running xApps tell in their metrics.
    """

    agent: Annotated[str, Field(validation_alias=AliasChoices("agent", "service"))]
    sha256: str
    size_bytes: int
    lineage: Lineage = field(default_factory=Lineage)


@dataclass(frozen=True)
class ModelVersion:
    """What was published at once.

    Attributes:
        version: 1, 2, ... by model.
        sha256: over agents and digests of all files.
        created: UTC, ISO 8601.
        feature_version: of the observations the agents take.
        files: by agent.
        metrics: what is known of its quality, e.g. `gos_validation`.
        parent: the version it comes after; None, the first.
        collected: its files have been dropped; publishing the same content brings them back.
        fits: what the network of its xApps must be like, by name; empty where its weights fit every network.
    """

    version: int
    stage: Stage
    sha256: str
    created: str
    feature_version: int
    files: tuple[ModelFile, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    parent: int | None = None
    collected: bool = False
    fits: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """All versions of one name, oldest first.

    Attributes:
        served: versions that were promoted and not rolled back, oldest first; the last one is in production.
    """

    name: str
    versions: tuple[ModelVersion, ...] = ()
    served: tuple[int, ...] = ()

    def version(self, number: int) -> ModelVersion:
        """Raises `NotFound`."""
        for each in self.versions:
            if each.version == number:
                return each
        known = ", ".join(str(each.version) for each in self.versions)
        raise NotFound(f"{self.name} has no version {number}: expected one of {known}")

    def at(self, stage: Stage) -> ModelVersion | None:
        """The newest version at a stage."""
        return next((each for each in reversed(self.versions) if each.stage is stage), None)

    def with_content(self, sha256: str) -> ModelVersion | None:
        """The version with that content."""
        return next((each for each in self.versions if each.sha256 == sha256), None)

    def put(self, version: ModelVersion) -> Model:
        """With one version added or in the place of its former self."""
        others = [each for each in self.versions if each.version != version.version]
        return replace(self, versions=tuple(sorted([*others, version], key=lambda each: each.version)))

    def moved(self, number: int, stage: Stage) -> Model:
        """After a version has changed its stage; the one whose place it takes retires (production) or is staged (canary).

        Raises:
            NotFound: no such version.
            StageRefused: the change is not allowed, or the files have been dropped.
        """
        chosen = self.version(number)
        if chosen.stage is stage:
            return self
        if stage not in _ALLOWED[chosen.stage]:
            raise StageRefused(self._refusal(chosen, stage))
        if chosen.collected and stage in SERVED:
            raise StageRefused(f"{self.name} version {number}: its files have been dropped; publish the same weights again first")
        changed = self
        before = self.at(stage) if stage in SERVED else None
        if before is not None:
            changed = changed.put(replace(before, stage=Stage.RETIRED if stage is Stage.PRODUCTION else Stage.STAGED))
        if stage is Stage.PRODUCTION:
            self._check_cover(chosen, before)
            changed = replace(changed, served=(*self.served, number))
        return changed.put(replace(chosen, stage=stage))

    def rolled_back(self) -> Model:
        """After the version before the present one has come back to production.

        Raises:
            StageRefused: there is none.
        """
        if len(self.served) < 2:
            raise StageRefused(f"{self.name}: no version was in production before the present one; promote another")
        *_, previous, present = self.served
        back = replace(self.version(previous), stage=Stage.PRODUCTION)
        changed = self.put(replace(self.version(present), stage=Stage.RETIRED)).put(back)
        return replace(changed, served=self.served[:-1])

    def _check_cover(self, chosen: ModelVersion, before: ModelVersion | None) -> None:
        """That the xApps which production serves can go on with it."""
        if before is None:
            return
        missing = {file.agent for file in before.files} - {file.agent for file in chosen.files}
        if missing:
            raise StageRefused(
                f"{self.name} version {chosen.version} has no agent for {', '.join(sorted(missing))}, which production serves: "
                "publish a team that has"
            )
        if chosen.fits != before.fits:
            raise StageRefused(
                f"{self.name} version {chosen.version} is for {chosen.fits}, the xApps that production serves for {before.fits}: "
                "publish it under another name"
            )

    def _refusal(self, chosen: ModelVersion, stage: Stage) -> str:
        from_to = f"{self.name} version {chosen.version} is {chosen.stage}, and cannot become {stage}"
        if chosen.stage is Stage.PRODUCTION:
            return f"{from_to}: promote another version or roll back"
        return f"{from_to}: a retired version returns by a rollback only"


def content_digest(files: tuple[ModelFile, ...]) -> str:
    """sha256, in hex, over the agents and digests of files, whatever their order."""
    return hashlib.sha256(json.dumps(sorted((file.agent, file.sha256) for file in files)).encode()).hexdigest()
