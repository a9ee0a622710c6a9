"""Trained weights as bytes: safetensors, with a spec in their metadata that says what they are and what they fit.

The same bytes are a file and a message. The metadata has one entry, `ricity`: the JSON of the spec plus `format` and `sha256`,
the digest of all the rest. Every reader of weights in this project is this one; kinds differ in their spec only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from ric_sim.domain.errors import OutOfRange, WeightsCorrupt, WeightsMismatch, WeightsMissing

FORMAT = 1
"""Of the metadata itself."""

SUFFIX = ".safetensors"
MOST_BYTES = 64 * 2**20
_KEY = "ricity"

Tensors = Mapping[str, npt.NDArray[np.float32]]


class Spec(Protocol):
    """A frozen dataclass of plain values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class WeightKind(Generic[S]):
    """What one kind of weights has in its metadata.

    Attributes:
        spec: the dataclass.
        inputs: what the weights take, for messages, e.g. `features`.
        version_field, version: the spec's field with the version of these inputs, and the one this release makes.
        advice: how to get weights where there are none.
    """

    spec: type[S]
    inputs: str
    version_field: str
    version: int
    advice: str

    def digest(self, spec: S, tensors: Tensors) -> str:
        """SHA-256 over spec and tensors, in hex."""
        digest = hashlib.sha256(json.dumps(self._plain(spec), sort_keys=True).encode())
        for name in sorted(tensors):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensors[name]).tobytes())
        return digest.hexdigest()

    def encode(self, spec: S, tensors: Tensors, *, source: str = "weights to be written") -> bytes:
        """The bytes of verified weights.

        Raises:
            WeightsMismatch, WeightsCorrupt: the tensors are not what the spec says, or not finite.
        """
        _check_tensors(source, spec, tensors)
        stated = {"format": FORMAT, **self._plain(spec), "sha256": self.digest(spec, tensors)}
        whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
        return safetensors.numpy.save(whole, metadata={_KEY: json.dumps(stated, sort_keys=True)})

    def decode(self, content: bytes, *, source: str) -> tuple[S, Tensors]:
        """Spec and tensors, verified against each other and their own digest.

        Args:
            source: file or sender, for messages.
        Raises:
            WeightsCorrupt: no weights, or damaged ones. WeightsMismatch: of another format, other inputs or other tensors.
        """
        if len(content) > MOST_BYTES:
            raise WeightsCorrupt(f"{source}: {len(content)} bytes, weights have at most {MOST_BYTES}; send one agent at a time")
        try:
            raw = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][_KEY]
            stated: dict[str, Any] = json.loads(raw)
            tensors = safetensors.numpy.load(content)
            versions = (int(stated["format"]), int(stated[self.version_field]))
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise WeightsCorrupt(f"{source}: no readable weights ({error!r}); export, install or send them again") from error
        if versions != (FORMAT, self.version):
            raise WeightsMismatch(
                f"{source}: format {versions[0]} and {self.inputs} {versions[1]}, this release takes format {FORMAT} and "
                f"{self.inputs} {self.version}: train again with it, or install the release the weights are from"
            )
        spec = self._spec(source, stated)
        _check_tensors(source, spec, tensors)
        if (sha256 := self.digest(spec, tensors)) != stated.get("sha256"):
            raise WeightsCorrupt(
                f"{source}: its content has sha256 {sha256[:12]}, its metadata says {str(stated.get('sha256'))[:12]}; "
                "export, install or send the weights again"
            )
        return spec, tensors

    def read(self, path: Path) -> tuple[S, Tensors]:
        """Reads and verifies a file.

        Raises:
            WeightsMissing: no such file. WeightsCorrupt, WeightsMismatch: as `decode`.
        """
        return self.decode(self._content(path), source=str(path))

    def _content(self, path: Path) -> bytes:
        """The whole file, at once: a file mapped into memory and cut short by its writer would end the process."""
        try:
            if path.stat().st_size > MOST_BYTES:
                raise WeightsCorrupt(f"{path}: {path.stat().st_size} bytes, weights have at most {MOST_BYTES}")
            return path.read_bytes()
        except FileNotFoundError as error:
            raise WeightsMissing(f"{path}: no such weights; {self.advice} or name another folder") from error
        except OSError as error:
            raise WeightsCorrupt(f"{path}: cannot be read ({error}); check the path and its permissions") from error

    def _plain(self, spec: S) -> dict[str, Any]:
        """Values for JSON, the same ones whether the spec was written in code or read from a file: 4 and 4.0 are one number."""
        return asdict(TypeAdapter(self.spec).validate_python(asdict(spec)))

    def _spec(self, source: str, stated: Mapping[str, Any]) -> S:
        known = {name: stated[name] for name in self.spec.__dataclass_fields__ if name in stated}
        try:
            spec = TypeAdapter(self.spec).validate_python(known)
            for name, part in asdict(spec).items():
                if isinstance(part, dict) and part.keys() != stated.get(name, {}).keys():
                    raise OutOfRange(f"{name} states {sorted(stated.get(name, {}))}: expected {sorted(part)}")
        except (ValidationError, OutOfRange) as error:
            raise WeightsCorrupt(f"{source}: the spec in its metadata is unusable ({error}); export the weights again") from error
        return spec


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file at once: who reads sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def _check_tensors(source: str, spec: Spec, tensors: Tensors) -> None:
    expected = spec.shapes()
    if unlike := sorted(set(expected) ^ set(tensors)):
        raise WeightsMismatch(
            f"{source}: tensors {', '.join(unlike)} are missing or unknown: expected exactly {sorted(expected)}"
        )
    for name, shape in expected.items():
        values = tensors[name]
        if values.shape != shape or values.dtype != np.float32:
            raise WeightsMismatch(f"{source}: {name} is {values.dtype} {values.shape}, expected float32 {shape}: train again")
        if not np.isfinite(values).all():
            raise WeightsCorrupt(
                f"{source}: {name} has numbers that are not finite: the training diverged, take an earlier state"
            )
