"""`--watch`: a listing that goes on, shown anew whenever it has changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ric_sim.domain.errors import InvalidInput, RicityError
from services.cli.output import console, emit, emit_line, error_console
from services.common.errors import EXIT_UNREACHABLE, edge_codes

DEFAULT_EVERY_S = 2.0
_LEAST_EVERY_S, _MOST_EVERY_S = 0.1, 3_600.0

WatchOption = Annotated[
    bool, typer.Option("--watch", help="Go on and show every change, until Ctrl-C; with --json one object a line.")
]
EveryOption = Annotated[float, typer.Option("--every-s", help="With --watch: seconds between two looks.")]
CountOption = Annotated[int, typer.Option("--count", help="With --watch: end after showing so many times; 0 goes on.")]


@dataclass(frozen=True, slots=True)
class View:
    """A listing at one moment.

    Attributes:
        payload: for programs; two moments are the same if theirs are equal.
        people: makes what people see of it.
    """

    payload: Mapping[str, Any]
    people: Callable[[], RenderableType]


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether a listing goes on, how many seconds lie between two looks, and after how many views it ends (0: never)."""

    watch: bool
    every_s: float = DEFAULT_EVERY_S
    count: int = 0

    def __post_init__(self) -> None:
        if not _LEAST_EVERY_S <= self.every_s <= _MOST_EVERY_S:
            raise InvalidInput(f"--every-s {self.every_s:g}: expected {_LEAST_EVERY_S:g} to {_MOST_EVERY_S:g} seconds")
        if self.count < 0:
            raise InvalidInput(f"--count {self.count}: expected 0 or more")


def present(look: Callable[[], View], pace: Pace, *, as_json: bool) -> None:
    """Prints a listing once or, with `--watch`, until Ctrl-C, which is its regular end.

    Raises:
        RicityError: what `look` raises; but a peer that has answered once and then is away is waited for.
    """
    if pace.watch:
        with contextlib.suppress(KeyboardInterrupt):
            follow(look, pace, as_json=as_json)
        return
    view = look()
    emit(view.payload, as_json=as_json, people=view.people)


def follow(look: Callable[[], View], pace: Pace, *, as_json: bool, screen: Console = console) -> None:
    """Shows the first view, then each that differs from the one before; errors as of `present`."""
    shown, last, is_away = 0, None, False
    with _display(screen, as_json=as_json) as display:
        while True:
            try:
                view = look()
            except RicityError as error:
                if last is None or edge_codes(error).exit_code != EXIT_UNREACHABLE:
                    raise
                if not is_away:
                    display.away(f"{error}; waiting")
                is_away = True
            else:
                if is_away:
                    display.back()
                is_away = False
                if last is None or view.payload != last:
                    display.show(view)
                    shown, last = shown + 1, view.payload
            if pace.count and shown == pace.count:
                return
            time.sleep(pace.every_s)


class _Display(Protocol):
    """Where views appear."""

    def show(self, view: View) -> None: ...

    def away(self, message: str) -> None:
        """Nobody answers; called once until `back`."""

    def back(self) -> None: ...


@contextlib.contextmanager
def _display(screen: Console, *, as_json: bool) -> Iterator[_Display]:
    if as_json or not screen.is_terminal:
        yield _Lines(screen, as_json=as_json)
        return
    with Live(console=screen, auto_refresh=False, transient=True) as live:
        yield _InPlace(live)


class _Lines:
    """One view after the other; what is not a view goes to stderr."""

    def __init__(self, screen: Console, *, as_json: bool) -> None:
        self._screen, self._as_json = screen, as_json

    def show(self, view: View) -> None:
        if self._as_json:
            emit_line(view.payload)
        else:
            self._screen.print(view.people())
            self._screen.file.flush()

    def away(self, message: str) -> None:
        error_console.print(message, markup=False, highlight=False, soft_wrap=True)

    def back(self) -> None:
        error_console.print("it answers again", highlight=False)


class _InPlace:
    """Each view in the place of the one before, with a line below while nobody answers."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._seen: RenderableType = ""

    def show(self, view: View) -> None:
        self._seen = view.people()
        self.back()

    def away(self, message: str) -> None:
        self._live.update(Group(self._seen, Text(message, style="yellow")), refresh=True)

    def back(self) -> None:
        self._live.update(self._seen, refresh=True)
