"""What every command prints: one JSON object, or something for people; errors the same way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]

_WIDTH_WITHOUT_TERMINAL = 140

console = Console()
if not console.is_terminal:
    console.width = _WIDTH_WITHOUT_TERMINAL
error_console = Console(stderr=True)


def emit(payload: Mapping[str, Any], *, as_json: bool, people: Callable[[], RenderableType]) -> None:
    """Prints a result once: as JSON, or as what `people` renders."""
    if as_json:
        sys.stdout.write(json.dumps(payload, indent=2, allow_nan=False) + "\n")
    else:
        console.print(people())


def emit_line(payload: Mapping[str, Any]) -> None:
    """One JSON object as a line of its own, at once."""
    sys.stdout.write(json.dumps(payload, separators=(",", ":"), allow_nan=False) + "\n")
    sys.stdout.flush()


def report_error(code: str, message: str, *, as_json: bool) -> None:
    """An error for people on stderr; with `--json` also as the one object on stdout."""
    error_console.print(f"[bold red]error[/] ({code}): ", end="")
    error_console.print(message, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps({"error": {"code": code, "message": message}}) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; columns whose name does not start with `<` are right-aligned."""
    result = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD)
    for name in columns:
        left = name.startswith("<")
        result.add_column(name.removeprefix("<"), justify="left" if left else "right", overflow="fold")
    for row in rows:
        result.add_row(*(str(cell) for cell in row))
    return result
