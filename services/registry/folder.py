"""A registry on disk, and the steps by which it changes.

index.json                                        the truth: all models and versions; replaced as a whole
lock                                              held by who changes something; the kernel frees it when its holder dies
blobs/<sha256>.safetensors                        agents by the digest of their content
versions/<model>/<version>/...                    links to the blobs, named as xApps look for them (`ModelName.folder`)
production/<model>, canary/<model>                links to a folder of `versions`, replaced as a whole

A change writes what it needs first, then the index, then the links. Killed before the index, nothing has happened and what
lies around is swept by the next garbage collection; killed after it, the next change sets the links right.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ric_sim.domain.errors import RegistryCorrupt, RegistryUnavailable
from ric_sim.domain.weight_file import SUFFIX, write_whole
from services.registry.model import SERVED, Model, ModelName, ModelVersion
from services.registry.weights import AgentWeights

FORMAT = 1
"""Of the index."""

Models = Mapping[str, Model]
_MODELS = TypeAdapter(dict[str, Model])
_INDEX = TypeAdapter(dict[str, object])


class RegistryFolder:
    """Files of one registry. Reading takes no lock: an index is always whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index.json"
        self.blobs = root / "blobs"
        self.versions = root / "versions"

    def blob(self, sha256: str) -> Path:
        return self.blobs / f"{sha256}{SUFFIX}"

    def view(self, model: str, version: int) -> Path:
        """The folder of one version, good for `--weights`."""
        return self.versions / model / str(version)

    def link(self, stage: str, model: str) -> Path:
        """The folder that a stage serves, good for `--weights`."""
        return self.root / stage / model

    def read(self) -> dict[str, Model]:
        """The models by name; none if there is no registry yet.

        Raises:
            RegistryCorrupt: the index does not fit its schema, or is of another release.
            RegistryUnavailable: it cannot be read.
        """
        try:
            content = self.index.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RegistryUnavailable(f"{self.index}: cannot be read ({error}); check the path and its permissions") from error
        try:
            found = _INDEX.validate_json(content)
            if found.get("format") != FORMAT:
                raise RegistryCorrupt(f"{self.index}: format {found.get('format')!r}, this release reads {FORMAT}")
            return _MODELS.validate_python(found.get("models"))
        except ValidationError as error:
            raise RegistryCorrupt(f"{self.index}: no index of a registry ({error}); restore it from a backup") from error

    @contextmanager
    def locked(self, *, create: bool = False) -> Iterator[dict[str, Model]]:
        """The models while nobody else may change them; links are set right first.

        Args:
            create: make the folder if there is none; otherwise there are no models then.
        Raises:
            RegistryUnavailable: a file cannot be written (disk, permissions).
        """
        if not create and not self.root.exists():
            yield {}
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                models = self.read()
                self.settle(models)
                yield models
        except OSError as error:
            raise RegistryUnavailable(
                f"{self.root}: cannot be changed ({error}); check space and permissions. The index is as it was or as it was "
                "to become; look with `ricity model verify`"
            ) from error

    def commit(self, models: Models) -> None:
        """Replaces the index, then sets the links right. Under the lock only."""
        plain = {"format": FORMAT, "models": {name: asdict(model) for name, model in sorted(models.items())}}
        part = self.index.with_name(f"index.json.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(_INDEX.dump_json(plain, indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.index)
        _sync_folder(self.root)
        self.settle(models)

    def settle(self, models: Models) -> None:
        """Makes the links of `canary` and `production` say what the index says. Under the lock only."""
        for stage in SERVED:
            for name, model in models.items():
                chosen, link = model.at(stage), self.link(stage, name)
                if chosen is None:
                    link.unlink(missing_ok=True)
                elif not self.points(link, name, chosen.version):
                    link.parent.mkdir(exist_ok=True)
                    part = link.with_name(f".{name}.part")
                    part.unlink(missing_ok=True)
                    part.symlink_to(self._target(name, chosen.version))
                    part.replace(link)

    def points(self, link: Path, model: str, version: int) -> bool:
        """Whether a link leads to that version."""
        return link.is_symlink() and os.readlink(link) == self._target(model, version)

    def keep_blob(self, weights: AgentWeights) -> None:
        """Writes weights under their digest, which mends a file that was damaged."""
        path = self.blob(weights.sha256)
        write_whole(path, weights.content)
        _sync_file(path)

    def is_built(self, model: str, version: ModelVersion) -> bool:
        """Whether the folder of a version leads to each of its files."""
        place = self.view(model, version.version) / ModelName.parse(model).folder
        return all((place / f"{file.agent}{SUFFIX}").resolve() == self.blob(file.sha256).resolve() for file in version.files)

    def build_view(self, model: str, version: ModelVersion) -> None:
        """The folder of a version, in the place of what an interrupted change may have left there."""
        view, inner = self.view(model, version.version), ModelName.parse(model).folder
        part = view.with_name(f"{view.name}.part")
        for left in (part, view):
            shutil.rmtree(left, ignore_errors=True)
        (part / inner).mkdir(parents=True)
        to_root = Path(*[".."] * (4 if inner else 3))
        for file in version.files:
            (part / inner / f"{file.agent}{SUFFIX}").symlink_to(to_root / "blobs" / f"{file.sha256}{SUFFIX}")
        part.replace(view)

    def _target(self, model: str, version: int) -> str:
        return f"../versions/{model}/{version}"


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
