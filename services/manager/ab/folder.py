"""Tests and their reports on disk: a folder per test, files replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ric_sim.domain.errors import InvalidInput, StoreCorrupt
from services.manager.ab.figure import evidence_svg
from services.manager.ab.model import AbTest

_STATE, REPORT, FIGURE = "state.json", "report.json", "evidence.svg"


class AbFolder:
    """Written before anything is done because of it; made when the first test is kept."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self) -> list[AbTest]:
        """All tests, oldest first.

        Raises:
            StoreCorrupt: a file that is damaged, or of another release.
        """
        tests = []
        for path in self._root.glob(f"*/{_STATE}"):
            try:
                tests.append(AbTest.from_json(json.loads(path.read_text())))
            except (OSError, ValueError, KeyError, TypeError, InvalidInput) as error:
                raise StoreCorrupt(f"{path}: damaged ({error!r}): put back a copy, or move its folder away") from error
        return sorted(tests, key=lambda test: test.started_unix_s)

    def save(self, test: AbTest) -> None:
        """Keeps a test; on disk when this returns.

        Raises:
            InvalidInput: the folder cannot be written to.
        """
        _replace(self._path(test) / _STATE, json.dumps(test.to_json()))

    def report(self, test: AbTest) -> None:
        """Writes report and figure."""
        document = test.report()
        _replace(self._path(test) / REPORT, json.dumps(document, indent=1, allow_nan=False) + "\n")
        _replace(self._path(test) / FIGURE, evidence_svg(document))

    def _path(self, test: AbTest) -> Path:
        path = self._root / test.test_id
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"folder {path}: {error.strerror}: name one the manager may write to") from error
        return path


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
