"""The live view of a run: progress of the day and state of every process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.cli.local.child import Child, ChildState
from services.cli.local.deployment import PLANNERS

_REFRESH_S = 0.25
_STATE_STYLES = {
    ChildState.STARTING: "yellow",
    ChildState.READY: "green",
    ChildState.WAITING: "bold red",
    ChildState.DONE: "green",
    ChildState.STOPPED: "dim",
}


class RunView:
    """`Watcher` on a terminal; context manager. On anything else than a terminal it prints the lines only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._due_s = 0.0

    def __enter__(self) -> RunView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the live part; harmless when repeated."""
        self._live.stop()

    def tell(self, line: str) -> None:
        """One line above the live part."""
        self._console.print(Text(line))

    def show(self, progress: Mapping[str, Any] | None, children: Iterable[Child]) -> None:
        """Redraws, a few times a second at most."""
        now_s = time.monotonic()
        if self._console.is_terminal and now_s >= self._due_s:
            self._due_s = now_s + _REFRESH_S
            self._live.update(Group(day_line(progress), states_line(children)), refresh=True)


def day_line(progress: Mapping[str, Any] | None) -> Table:
    """Requests done, emulated clock, Grade of Service so far, decisions per second."""
    grid = Table.grid(padding=(0, 2))
    if progress is None:
        grid.add_row(Text("starting", style="yellow"))
        return grid
    done, total = progress["settled"], progress["requests"]
    gos = f"GoS {100 * progress['accepted'] / done:.2f} %" if done else "GoS -"
    rate = f"{progress['decisions_per_s']:,.0f} decisions/s" if progress["decisions_per_s"] else ""
    grid.add_row(
        ProgressBar(total=total, completed=done, width=32),
        Text(f"{done:,} / {total:,}"),
        Text(clock(progress["now_ms"]), style="bold"),
        Text(gos, style="cyan"),
        Text(rate),
    )
    return grid


def states_line(children: Iterable[Child]) -> Text:
    """Every process with its state, and its restarts if it had any; what was only needed for the start is left out after it."""
    line = Text()
    for child in children:
        if child.name == PLANNERS and child.state == ChildState.DONE:
            continue
        line.append("● ", style=_STATE_STYLES[child.state])
        line.append(child.name)
        if child.state not in (ChildState.READY, ChildState.DONE):
            line.append(f" {child.state}", style="dim")
        if child.restarts:
            line.append(f" (restarted {child.restarts}x)", style="red")
        line.append("  ")
    return line


def clock(emulated_ms: int) -> str:
    """Emulated time of day as HH:MM:SS."""
    seconds = emulated_ms // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
