"""Whether a file was replaced since one looked last."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int] | None
"""Inode, modification time (ns) and size; None, no such file."""


class FileChanges:
    """Follows one path, through links too.

    The file must be replaced at once (`os.replace`). One written in place is seen while it is incomplete, and again once it has
    changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # What was loaded may be older than what is there by now; a first load costs little, so the first look is a change.
        self._seen: Stamp | str = "never"

    def look(self) -> bool:
        """Whether there is something else than at the last look; True at the first."""
        stamp = _stamp(self.path)
        changed = stamp != self._seen
        self._seen = stamp
        return changed

    def forget(self) -> None:
        """The next look is a first one."""
        self._seen = "never"


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
