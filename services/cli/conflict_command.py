"""`ricity conflict`: what two xApps wanted at once, who got it and why; the slice ratios they set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from ric_sim.domain.errors import InvalidInput, PolicyRatioRefused
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from services.cli.admin import DEFAULT_RIC, TIMEOUT_S, RicOption, open_channel, translated_errors
from services.cli.output import JsonOption, console, emit, emit_line, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present
from services.common.errors import EXIT_FAILED

app = typer.Typer(
    help="Conflicts between xApps: what two wanted at once, who got it and why.\n\n"
    "Kinds: direct (the same parameter), indirect (one KPI moved both ways), capacity (the last room of a link, host or cell), "
    "preemption (the higher priority took it back), rule (ratios that cannot hold).\n\n"
    "Ratios: what xApps set of an O-DU's slices, in % of the cell's RBs (RRMPolicyRatio).",
    no_args_is_help=True,
)

KindOption = Annotated[str, typer.Option("--kind", help="One kind only: direct, indirect, capacity, preemption or rule.")]

_RULE = "RRMPolicyRatio"
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
def counts(
    ric: RicOption = DEFAULT_RIC,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how many conflicts of each kind there were since the run began.

    Examples:

      ricity conflict counts

      ricity conflict counts --watch
    """
    present(lambda: _counts(ric), Pace(watch, every_s, count), as_json=as_json)


def _counts(ric: str) -> View:
    found = dict(sorted(_list(ric, 1, "").counts.items()))
    return View({"counts": found}, lambda: table(f"Conflicts at {ric}", ("<kind", "conflicts"), [*found.items()]))


@app.command()
def ratios(
    ric: RicOption = DEFAULT_RIC,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the ratios of every O-DU where an xApp has set any: who set them, and until when they are held.

    Ratios outlive the hold, after which any xApp may set others. Guarantees of A1 policies stand above them and are not shown.

    Examples:

      ricity conflict ratios --json

      ricity conflict ratios --watch
    """
    present(lambda: _ratios(ric), Pace(watch, every_s, count), as_json=as_json)


def _ratios(ric: str) -> View:
    with _stub(ric) as stub:
        found = stub.ListRatios(conflict_pb2.ListRatiosRequest(), timeout=TIMEOUT_S).dus
    rows = [row for du in found for row in ratio_rows(du)]
    columns = ("<O-DU", "version", "<slice", "dedicated %", "min %", "max %", "<set by", "<held until")
    cells = [
        (
            *(row[name] for name in ("ran_name", "version", "slice", "dedicated", "min", "max")),
            ", ".join(holder["xapp_name"] for holder in row["set_by"]),
            ", ".join(holder["held_until"] for holder in row["set_by"]),
        )
        for row in rows
    ]
    return View({"ratios": rows}, lambda: table(f"RRM policy ratios at {ric}", columns, cells))


@app.command("set")
def set_ratio(
    du: Annotated[str, typer.Argument(metavar="DU", help="O-DU by its RAN name, e.g. du_3.")],
    slice_key: Annotated[str, typer.Option("--slice", help="embb, mmtc or urllc.")],
    xapp: Annotated[str, typer.Option("--xapp", help="For which xApp; the RIC knows its priority.")],
    dedicated: Annotated[int, typer.Option(min=0, max=100, help="Kept for the slice alone, in %.")] = 0,
    minimum: Annotated[int, typer.Option("--min", min=0, max=100, help="Guaranteed when needed, in %.")] = 0,
    maximum: Annotated[int, typer.Option("--max", min=0, max=100, help="At most, in %.")] = 100,
    hold_ms: Annotated[int, typer.Option(min=1, max=3_600_000, help="How long only a higher priority may change it.")] = 5_000,
    ric: RicOption = DEFAULT_RIC,
    as_json: JsonOption = False,
) -> None:
    """Set the ratios of a slice at an O-DU for an xApp, in % of the cell's RBs. Exit code 1 if that is refused.

    Priorities are declared to the RIC with RICITY_CONTROL_PRIORITIES. What an xApp holds is let go when it sets the same with
    --hold-ms 1.

    Example:

      ricity conflict set du_3 --slice embb --min 20 --max 80 --dedicated 10 --xapp slice-guard --json
    """
    ratio = conflict_pb2.SliceRatio(slice=slice_key, dedicated=dedicated, min=minimum, max=maximum)
    done = _control(ric, conflict_pb2.ControlRatiosRequest(xapp_name=xapp, ran_name=du, ratios=[ratio], hold_ms=hold_ms))
    emit(done, as_json=as_json, people=lambda: _told(f"{du}/{slice_key}", done))
    if not done["applied"]:
        raise typer.Exit(EXIT_FAILED)


def _control(ric: str, request: conflict_pb2.ControlRatiosRequest) -> dict[str, Any]:
    """What became of a control, as JSON-ready fields; a refusal by rule, which the RIC tells as an error, like any other."""
    try:
        with _stub(ric) as stub:
            answer = stub.ControlRatios(request, timeout=TIMEOUT_S)
    except PolicyRatioRefused as error:
        now_ms, loser = time.time_ns() // 1_000_000, request.xapp_name
        rule = conflict_pb2.Conflict(
            at_ms=now_ms, kind="rule", parameter=request.ran_name, winner=_RULE, loser=loser, reason=str(error)
        )
        return {"applied": False, "version": None, "conflict": conflict_row(rule)}
    conflict = conflict_row(answer.conflict) if answer.HasField("conflict") else None
    return {"applied": answer.applied, "version": answer.version, "conflict": conflict}


def _told(what: str, done: dict[str, Any]) -> Text:
    """What became of a control, for people."""
    lines = [f"{what}: set, version {done['version']}" if done["applied"] else f"{what}: refused, nothing was changed"]
    if conflict := done["conflict"]:
        lines.append(_conflict_line(conflict))
    return Text("\n".join(lines))


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
            emit_line(row)
        else:
            console.print(f"{row['at']}  {_conflict_line(row)}", highlight=False, markup=False, soft_wrap=True)
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
        "at": _iso(conflict.at_ms),
        "kind": conflict.kind,
        "parameter": conflict.parameter,
        "winner": conflict.winner,
        "loser": conflict.loser,
        "reason": conflict.reason,
    }


def ratio_rows(du: Any) -> list[dict[str, Any]]:
    """The ratios of an O-DU as JSON-ready fields, one row per slice."""
    return [
        {
            "ran_name": du.ran_name,
            "version": du.version,
            "slice": ratio.slice,
            "dedicated": ratio.dedicated,
            "min": ratio.min,
            "max": ratio.max,
            "set_by": [
                {"xapp_name": holder.xapp_name, "priority": holder.priority, "held_until": _iso(holder.until_ms)}
                for holder in du.holders
                if holder.slice == ratio.slice
            ],
        }
        for ratio in du.ratios
    ]


def _conflict_line(row: dict[str, str]) -> str:
    return f"{row['kind']}  {row['parameter']}: {row['winner']} before {row['loser']} ({row['reason']})"


def _iso(at_ms: int) -> str:
    """A time of wall clock, ms since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _list(ric: str, limit: int, kind: str) -> Any:
    with _stub(ric) as stub:
        return stub.ListConflicts(conflict_pb2.ListConflictsRequest(limit=limit, kind=kind), timeout=TIMEOUT_S)


@contextmanager
def _stub(ric: str) -> Iterator[Any]:
    with open_channel(ric) as channel, translated_errors(ric):
        yield conflict_pb2_grpc.ConflictServiceStub(channel)
