"""`ricity conflict`: what two xApps wanted at once, who got it and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ric_sim.domain.errors import InvalidInput
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from services.cli.admin import DEFAULT_RIC, TIMEOUT_S, RicOption, open_channel, translated_errors
from services.cli.output import JsonOption, console, emit, table

app = typer.Typer(
    help="Conflicts between xApps: what two wanted at once, who got it and why.\n\n"
    "Kinds: direct (the same parameter), indirect (one KPI moved both ways), capacity (the last room of a link, host or cell), "
    "preemption (the higher priority took it back), rule (ratios that cannot hold).",
    no_args_is_help=True,
)

KindOption = Annotated[str, typer.Option("--kind", help="One kind only: direct, indirect, capacity, preemption or rule.")]

_COLUMNS = ("<at", "<kind", "<parameter", "<winner", "<loser", "<reason")


@app.command("list")
def list_conflicts(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    kind: KindOption = "",
    ric: RicOption = DEFAULT_RIC,
    as_json: JsonOption = False,
) -> None:
    """List the newest conflicts, newest first.

    Example:

      ricity conflict list --kind capacity --json
    """
    found = _list(ric, limit, kind)
    rows = [conflict_row(conflict) for conflict in found.conflicts]
    cells = [tuple(row.values()) for row in rows]
    emit(
        {"conflicts": rows, "counts": dict(found.counts)},
        as_json=as_json,
        people=lambda: table(f"Conflicts at {ric}", _COLUMNS, cells),
    )


@app.command()
def counts(ric: RicOption = DEFAULT_RIC, as_json: JsonOption = False) -> None:
    """Say how many conflicts of each kind there were since the run began.

    Example:

      ricity conflict counts
    """
    found = dict(sorted(_list(ric, 1, "").counts.items()))
    emit(
        {"counts": found}, as_json=as_json, people=lambda: table(f"Conflicts at {ric}", ("<kind", "conflicts"), [*found.items()])
    )


@app.command()
def watch(
    kind: KindOption = "",
    count: Annotated[int, typer.Option(help="Stop after so many conflicts; 0 goes on until Ctrl-C.")] = 0,
    ric: RicOption = DEFAULT_RIC,
    as_json: JsonOption = False,
) -> None:
    """Print conflicts as they are decided (with --json one object per line).

    Example:

      ricity conflict watch --json
    """
    if count < 0:
        raise InvalidInput(f"--count {count}: expected 0 or more")
    if kind:
        _list(ric, 1, kind)  # the RIC knows the kinds
    seen = 0
    for conflict in watched_conflicts(ric):
        if kind not in ("", conflict.kind):
            continue
        seen += 1
        row = conflict_row(conflict)
        if as_json:
            console.file.write(json.dumps(row) + "\n")
        else:
            told = f"{row['at']}  {row['kind']}  {row['parameter']}: {row['winner']} before {row['loser']} ({row['reason']})"
            console.print(told, highlight=False, markup=False, soft_wrap=True)
        console.file.flush()
        if seen == count:
            return


def watched_conflicts(ric: str) -> Iterator[Any]:
    """Conflicts from now on, as messages. Raises `RicUnreachable` when the RIC does not answer, or ends."""
    with _stub(ric) as stub:
        for response in stub.WatchConflicts(conflict_pb2.WatchConflictsRequest()):
            yield from response.conflicts


def conflict_row(conflict: Any) -> dict[str, str]:
    """One conflict as JSON-ready fields, in the order of the table."""
    return {
        "at": datetime.fromtimestamp(conflict.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "kind": conflict.kind,
        "parameter": conflict.parameter,
        "winner": conflict.winner,
        "loser": conflict.loser,
        "reason": conflict.reason,
    }


def _list(ric: str, limit: int, kind: str) -> Any:
    with _stub(ric) as stub:
        return stub.ListConflicts(conflict_pb2.ListConflictsRequest(limit=limit, kind=kind), timeout=TIMEOUT_S)


@contextmanager
def _stub(ric: str) -> Iterator[Any]:
    with open_channel(ric) as channel, translated_errors(ric):
        yield conflict_pb2_grpc.ConflictServiceStub(channel)
