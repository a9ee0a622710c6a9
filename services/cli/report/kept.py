"""What reports have made once and need not make again: files beside the results, and a bar while they are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ric_sim.domain.errors import MalformedFile
from services.cli.output import error_console


def kept(
    path: Path,
    fresh: Callable[[], dict[str, Any]],
    fits: Callable[[Mapping[str, Any]], bool],
    *,
    newer_than: Path | None = None,
) -> dict[str, Any]:
    """What a file tells if it fits and is no older than another one (weights); else what `fresh` gives, kept there.

    Raises:
        MalformedFile: the file is no JSON; it stays as it is.
    """
    if path.exists() and (newer_than is None or path.stat().st_mtime >= newer_than.stat().st_mtime):
        try:
            told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise MalformedFile(f"{path}: not what a report has kept ({error}); delete it, and it is made again") from None
        if fits(told):
            return told
    told = fresh()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told) + "\n", encoding="utf-8")
    return told


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; gives the function that moves it to a number of steps done."""
    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
