"""The manager's durable state: one JSON file, replaced as a whole and on disk before anything is done because of it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ric_sim.domain.errors import Conflict, InvalidInput, StoreCorrupt
from services.manager.lifecycle.model import CataloguedXapp, Rollout

FORMAT = 1
MAX_FINISHED_ROLLOUTS = 100
_FILE, _LOCK = "lifecycle.json", "lock"
_XAPPS = TypeAdapter(dict[str, CataloguedXapp])
_ROLLOUTS = TypeAdapter(list[Rollout])


class StateFile:
    """xApps and rollouts, kept in a folder that one manager at a time may use.

    Killed at any moment, the file holds what it held before or after the last change, never something in between.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `InvalidInput` (folder cannot be made), `Conflict` (another manager uses it), `StoreCorrupt`."""
        self._path = folder / _FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / _LOCK).open("w")
        except OSError as error:
            raise InvalidInput(f"state folder {folder}: {error.strerror}: name a folder the manager may write to") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Conflict(f"state folder {folder} is in use by another manager: one manager to a folder") from None
        self.xapps: Mapping[str, CataloguedXapp] = {}
        self.rollouts: Mapping[str, Rollout] = {}
        if self._path.exists():
            self._load()

    def close(self) -> None:
        """Leaves the folder to another manager."""
        self._lock.close()

    def put_xapps(self, *changed: CataloguedXapp) -> None:
        """Keeps changed xApps; on disk when this returns."""
        self._save({**self.xapps, **{xapp.name: xapp for xapp in changed}}, self.rollouts)

    def remove_xapp(self, name: str) -> None:
        """Forgets an xApp; its rollouts stay on record."""
        self._save({key: xapp for key, xapp in self.xapps.items() if key != name}, self.rollouts)

    def put_rollout(self, rollout: Rollout, *changed: CataloguedXapp) -> None:
        """Keeps a rollout and what it changed in the same write."""
        xapps = {**self.xapps, **{xapp.name: xapp for xapp in changed}}
        self._save(xapps, _newest({**self.rollouts, rollout.rollout_id: rollout}.values()))

    def _load(self) -> None:
        try:
            record = json.loads(self._path.read_text())
            if record["format"] != FORMAT:
                raise StoreCorrupt(f"{self._path}: format {record['format']}, expected {FORMAT}: it is another release's")
            self.xapps = _XAPPS.validate_python(record["xapps"])
            self.rollouts = {rollout.rollout_id: rollout for rollout in _ROLLOUTS.validate_python(record["rollouts"])}
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise StoreCorrupt(f"{self._path}: damaged ({error}): put back a copy, or move it away and deploy anew") from error

    def _save(self, xapps: Mapping[str, CataloguedXapp], rollouts: Mapping[str, Rollout]) -> None:
        record: dict[str, Any] = {
            "format": FORMAT,
            "xapps": {name: asdict(xapp) for name, xapp in xapps.items()},
            "rollouts": [asdict(rollout) for rollout in rollouts.values()],
        }
        part = self._path.with_suffix(".part")
        with part.open("w") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.xapps, self.rollouts = xapps, rollouts


def _newest(rollouts: Iterable[Rollout]) -> dict[str, Rollout]:
    """All that run, and the last finished ones."""
    kept = list(rollouts)
    finished = [rollout for rollout in kept if not rollout.is_running]
    dropped = {rollout.rollout_id for rollout in finished[:-MAX_FINISHED_ROLLOUTS]}
    return {rollout.rollout_id: rollout for rollout in kept if rollout.rollout_id not in dropped}
