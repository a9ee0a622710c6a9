"""The operations on a registry. Each takes effect as a whole or not at all."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ric_sim.domain.errors import InvalidInput, NotFound, RicityError
from services.registry.folder import Models, RegistryFolder
from services.registry.model import SERVED, Model, ModelFile, ModelName, ModelVersion, Stage, content_digest
from services.registry.weights import AgentWeights, feature_version, read_blob, read_source


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of a publication; `created` is False if the same content was there before."""

    version: ModelVersion
    created: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What a garbage collection removed: files and folders nobody refers to, and versions whose files were dropped."""

    removed: tuple[str, ...]
    collected: tuple[str, ...]
    freed_bytes: int


class Registry:
    """One registry. Any number of processes may use it at a time: changes exclude each other, reading never waits.

    Every operation that changes something raises `RegistryUnavailable` if a file cannot be written and `RegistryCorrupt` if the
    index is damaged. After any other error nothing has changed.
    """

    def __init__(self, root: Path) -> None:
        self._folder = RegistryFolder(root)

    @property
    def root(self) -> Path:
        return self._folder.root

    def models(self) -> dict[str, Model]:
        """All models by name; none if the folder does not exist."""
        return self._folder.read()

    def model(self, name: str) -> Model:
        """Raises `NotFound`."""
        return _find(self.models(), name)

    def view(self, name: str, version: int) -> Path:
        """The folder of one version, for `--weights`. Raises `NotFound`."""
        return self._folder.view(name, self.model(name).version(version).version)

    def serving(self, name: str, stage: Stage = Stage.PRODUCTION) -> Path:
        """The folder that follows a stage of the model, for `--weights` of running xApps."""
        return self._folder.link(stage, name)

    def agents(self, name: str, version: int) -> list[AgentWeights]:
        """The weights of a version, read and verified again.

        Raises:
            NotFound: model or version. WeightsMissing, WeightsCorrupt, WeightsMismatch: they are not what was published.
        """
        return list(self._read(name, self.model(name).version(version)))

    def publish(
        self, name: str, source: Path, *, metrics: Mapping[str, float] | None = None, parent: int | None = None
    ) -> Published:
        """Takes in weights as a new version in `staged`. Content that is known already stays the version it is.

        Args:
            name: see `ModelName`.
            source: a folder as `--weights` takes it, or the one file of a single agent.
            metrics: finite numbers by name.
            parent: the version it descends from; None, the one in production now.
        Raises:
            InvalidInput: a bad name, a metric that is not finite.
            WeightsMissing, WeightsCorrupt, WeightsMismatch: files that are not there, damaged, or do not fit the name or release.
            NotFound: the parent.
        """
        called = ModelName.parse(name)
        known = {str(key): float(value) for key, value in (metrics or {}).items()}
        if unusable := [key for key, value in known.items() if not math.isfinite(value)]:
            raise InvalidInput(f"metrics {', '.join(unusable)}: expected finite numbers")
        agents = read_source(called, source)
        with self._folder.locked(create=True) as models:
            model = models.get(name, Model(name))
            files = tuple(
                ModelFile(agent, weights.sha256, len(weights.content), weights.lineage)
                for agent, weights in sorted(agents.items())
            )
            for weights in agents.values():
                self._folder.keep_blob(weights)
            before = model.with_content(content_digest(files))
            if before is not None:
                return self._published_again(models, model, before)
            if parent is not None:
                model.version(parent)
            version = _new_version(model, files, known, parent, fits=next(iter(agents.values())).fits)
            self._folder.build_view(name, version)
            self._folder.commit({**models, name: model.put(version)})
            return Published(version, created=True)

    def promote(self, name: str, version: int, stage: Stage = Stage.PRODUCTION) -> ModelVersion:
        """Moves a version to a stage. In `production` it takes the place of another one, which retires, and running xApps
        take its weights within a second. A version that is there already stays.

        Raises:
            NotFound: model or version.
            StageRefused: the change is not allowed (see `Model.moved`).
            WeightsMissing, WeightsCorrupt, WeightsMismatch: the version's files are not what was published.
        """
        with self._folder.locked() as models:
            changed = _find(models, name).moved(version, stage)
            if stage in SERVED:
                self._check_files(name, changed.version(version))
            self._folder.commit({**models, name: changed})
            return changed.version(version)

    def retire(self, name: str, version: int) -> ModelVersion:
        """Takes a version out of use. Raises `NotFound`, `StageRefused` (it is in production)."""
        return self.promote(name, version, Stage.RETIRED)

    def rollback(self, name: str) -> ModelVersion:
        """Brings back the version that was in production before the present one, which retires.

        Raises:
            NotFound: the model.
            StageRefused: there was none.
            WeightsMissing, WeightsCorrupt, WeightsMismatch: its files are not what was published.
        """
        with self._folder.locked() as models:
            changed = _find(models, name).rolled_back()
            back = changed.version(changed.served[-1])
            self._check_files(name, back)
            self._folder.commit({**models, name: changed})
            return back

    def verify(self) -> list[str]:
        """Reads every file again; a sentence for each thing that is not as the index says. Changes nothing."""
        models = self.models()
        return [*self._damaged_files(models), *self._wrong_links(models)]

    def collect(self, *, keep_retired: int | None = None, only: str = "") -> Swept:
        """Removes what no version refers to.

        Args:
            only: the one model whose retired versions are meant; empty, all.
            keep_retired: of each model, drop the files of retired versions but the newest so many; those a rollback could
                still reach are always kept. None drops none.
        Raises:
            InvalidInput: `keep_retired` is negative. NotFound: there is no model `only`.
        """
        if keep_retired is not None and keep_retired < 0:
            raise InvalidInput(f"keep_retired {keep_retired}: expected 0 or more")
        with self._folder.locked() as models:
            if only:
                _find(models, only)
            meant = {name for name in models if only in ("", name)}
            changed = {name: _without_old(model, keep_retired if name in meant else None) for name, model in models.items()}
            dropped = tuple(
                f"{name} version {each.version}"
                for name, model in changed.items()
                for each in model.versions
                if each.collected and not models[name].version(each.version).collected
            )
            if dropped:
                self._folder.commit(changed)
            return _swept(self._folder, changed, dropped)

    def _published_again(self, models: Models, model: Model, before: ModelVersion) -> Published:
        if not self._folder.is_built(model.name, before):
            self._folder.build_view(model.name, before)
        if before.collected:
            before = replace(before, collected=False)
            self._folder.commit({**models, model.name: model.put(before)})
        return Published(before, created=False)

    def _check_files(self, name: str, version: ModelVersion) -> None:
        for _ in self._read(name, version):
            pass

    def _read(self, name: str, version: ModelVersion) -> Iterator[AgentWeights]:
        called = ModelName.parse(name)
        return (read_blob(called, file, self._folder.blob(file.sha256)) for file in version.files)

    def _damaged_files(self, models: Models) -> Iterator[str]:
        for name, model in models.items():
            for version in model.versions:
                if version.collected:
                    continue
                try:
                    self._check_files(name, version)
                except RicityError as error:
                    yield f"{name} version {version.version} ({version.stage}): {error}"
                if not self._folder.is_built(name, version):
                    yield f"{self._folder.view(name, version.version)} does not lead to its files; publish the same weights again"

    def _wrong_links(self, models: Models) -> Iterator[str]:
        for stage in SERVED:
            for name, model in models.items():
                chosen, link = model.at(stage), self._folder.link(stage, name)
                if chosen is not None and not self._folder.points(link, name, chosen.version):
                    yield f"{link} does not lead to version {chosen.version}; `ricity model gc` sets it right"
                elif chosen is None and link.is_symlink():
                    yield f"{link} serves a version, the index none; `ricity model gc` sets it right"


def _find(models: Models, name: str) -> Model:
    if name not in models:
        raise NotFound(f"no model {name!r} in the registry: expected one of {', '.join(sorted(models)) or '(none yet)'}")
    return models[name]


def _new_version(
    model: Model, files: tuple[ModelFile, ...], metrics: dict[str, float], parent: int | None, *, fits: dict[str, int | str]
) -> ModelVersion:
    production = model.at(Stage.PRODUCTION)
    return ModelVersion(
        version=max((each.version for each in model.versions), default=0) + 1,
        stage=Stage.STAGED,
        sha256=content_digest(files),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        feature_version=feature_version(ModelName.parse(model.name)),
        files=files,
        metrics=metrics,
        parent=production.version if parent is None and production else parent,
        fits=fits,
    )


def _without_old(model: Model, keep_retired: int | None) -> Model:
    if keep_retired is None:
        return model
    retired = [each for each in model.versions if each.stage is Stage.RETIRED and each.version not in model.served]
    for each in retired[: max(0, len(retired) - keep_retired)]:
        model = model.put(replace(each, collected=True))
    return model


def _swept(folder: RegistryFolder, models: Models, collected: tuple[str, ...]) -> Swept:
    kept = [(name, each) for name, model in models.items() for each in model.versions if not each.collected]
    blobs = {folder.blob(file.sha256) for _, version in kept for file in version.files}
    views = {folder.view(name, version.version) for name, version in kept}
    orphans = [
        *(path for path in folder.blobs.glob("*") if path not in blobs),
        *(path for path in folder.versions.glob("*/*") if path not in views),
        *folder.root.glob("*.part"),
        *(path for stage in SERVED for path in (folder.root / stage).glob(".*.part")),
        *(path for stage in SERVED for path in (folder.root / stage).glob("*") if path.name not in models),
    ]
    freed_bytes = 0
    for path in orphans:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            freed_bytes += path.lstat().st_size
            path.unlink()
    return Swept(tuple(sorted(str(path.relative_to(folder.root)) for path in orphans)), collected, freed_bytes)
