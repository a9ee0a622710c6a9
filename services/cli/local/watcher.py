"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from services.cli.local.child import Child


class Watcher(Protocol):
    """Presentation of a run; see `services.cli.run_view`."""

    def tell(self, line: str) -> None:
        """Something happened: a phase of the start, a death, a restart."""

    def show(self, progress: Mapping[str, Any] | None, children: Iterable[Child]) -> None:
        """The day goes on; called many times a second. `progress` is the nodes' progress.json, None before the first."""


class Silent:
    """Nobody watches."""

    def tell(self, line: str) -> None:
        """Says nothing."""

    def show(self, progress: Mapping[str, Any] | None, children: Iterable[Child]) -> None:
        """Shows nothing."""
