"""`ricity run`: the whole deployment as local processes, a day played on it."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import JsonOption, console, emit, error_console
from services.common.errors import EXIT_FAILED

if TYPE_CHECKING:
    from services.cli.local.options import RunOptions

EXIT_INTERRUPTED = 130
DEFAULT_RIC_PORT = 50051

_THE_DAY = "The day"
_THE_SYSTEM = "The system"


PreemptOption = Annotated[
    bool, typer.Option("--preempt", help="Critical services may displace others.", rich_help_panel=_THE_SYSTEM)
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="Folder of a learned policy's weights, not those shipped.", rich_help_panel=_THE_SYSTEM)
]
RicPortOption = Annotated[int, typer.Option(help="gRPC port of the RIC; if taken, a free one.", rich_help_panel=_THE_SYSTEM)]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Leave it running after the day, until Ctrl-C.", rich_help_panel=_THE_SYSTEM)
]
SignalsOption = Annotated[
    bool, typer.Option("--signals", help="Keep congestion signals in the store.", rich_help_panel=_THE_SYSTEM)
]

SlicingOption = Annotated[
    bool,
    typer.Option("--slicing/--no-slicing", help="O-DUs with slicing dApps that learn, beside.", rich_help_panel=_THE_SYSTEM),
]
SlicingWeightsOption = Annotated[
    str, typer.Option(help="What they start with: none, shipped, or a folder of weights.", rich_help_panel=_THE_SYSTEM)
]


def run(
    profile: Annotated[str, typer.Option(help="paper, congested, stress or smoke.", rich_help_panel=_THE_DAY)] = "paper",
    day: Annotated[str, typer.Option(help="test or train.", rich_help_panel=_THE_DAY)] = "test",
    seed: Annotated[int | None, typer.Option(help="Another day with the same statistics.", rich_help_panel=_THE_DAY)] = None,
    city: Annotated[Path | None, typer.Option(help="A city of your own (JSON).", rich_help_panel=_THE_DAY)] = None,
    flows: Annotated[Path | None, typer.Option(help="A day of your own (CSV).", rich_help_panel=_THE_DAY)] = None,
    max_flows: Annotated[int | None, typer.Option(help="Play only the first N requests.", rich_help_panel=_THE_DAY)] = None,
    speed: Annotated[str, typer.Option(help="max, or emulated seconds per second.", rich_help_panel=_THE_DAY)] = "max",
    rate: Annotated[float | None, typer.Option(help="Requests per second instead.", rich_help_panel=_THE_DAY)] = None,
    in_flight: Annotated[int, typer.Option(help="Most requests open at speed max.", rich_help_panel=_THE_DAY)] = 6,
    policy: Annotated[str, typer.Option(help="Of all routing xApps.", rich_help_panel=_THE_SYSTEM)] = "learned",
    weights: WeightsOption = None,
    replans: Annotated[int, typer.Option(help="New plans after an aborted commit.", rich_help_panel=_THE_SYSTEM)] = 1,
    preempt: PreemptOption = False,
    signals: SignalsOption = False,
    slicing: SlicingOption = False,
    slicing_weights: SlicingWeightsOption = "none",
    store: Annotated[
        str, typer.Option(help="embedded, or a URL as of `ricity audit`.", rich_help_panel=_THE_SYSTEM)
    ] = "embedded",
    ric_port: RicPortOption = DEFAULT_RIC_PORT,
    keep: KeepOption = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/<time>-<profile>-<policy>")] = None,
    plots: Annotated[bool, typer.Option(help="Draw the figures.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Play a day through the live system: store, RIC, one routing xApp per service and the E2 nodes, all on this machine.

    Ends with a table, summary.json, plots and an audit of the commit log.

    Examples:

      ricity run --profile smoke

      ricity run --policy specialised --profile congested --json

      ricity run --speed 600 --keep     (then, elsewhere: ricity e2 nodes)
    """
    from services.cli.connection import connection
    from services.cli.local.options import EMBEDDED, RunOptions

    options = RunOptions(
        out=out or _default_folder(profile, policy),
        profile=profile,
        day=day,
        seed=seed,
        policy=policy,
        weights=weights,
        speed=speed,
        rate=rate,
        store=store,
        store_password_file=None if store == EMBEDDED else connection().store_password_file,
        city=city,
        flows=flows,
        in_flight=in_flight,
        replans=replans,
        preempt=preempt,
        signals=signals,
        max_flows=max_flows,
        ric_port=ric_port,
        keep=keep,
        slicing=slicing,
        slicing_weights=slicing_weights,
    )
    _play(options, plots=plots, as_json=as_json)


def _play(options: RunOptions, *, plots: bool, as_json: bool) -> None:
    """The run, its tables and plots, and the exit code."""
    from services.cli.local.play import LocalRun
    from services.cli.local.watcher import Silent, Watcher
    from services.cli.report.summary import failures
    from services.cli.run_tables import summary_tables
    from services.cli.run_view import RunView

    with ExitStack() as stack:
        watcher: Watcher = Silent() if as_json else stack.enter_context(RunView(console))
        deployment = LocalRun(options, watcher)
        stack.callback(deployment.close)
        result = deployment.play()
        drawn = result.draw() if plots else []
        if isinstance(watcher, RunView):
            watcher.close()
        emit(result.summary, as_json=as_json, people=lambda: summary_tables(result.summary, result.scenario.city.services, drawn))
        failed = failures(result.summary)
        for line in failed:
            error_console.print(f"[bold red]failed:[/] {line}", highlight=False)
        if options.keep and not result.summary["interrupted"]:
            error_console.print(f"left running, RIC at {deployment.ric}; Ctrl-C stops it", highlight=False)
            deployment.keep()
    if result.summary["interrupted"] or failed:
        raise typer.Exit(EXIT_INTERRUPTED if result.summary["interrupted"] else EXIT_FAILED)


def _default_folder(profile: str, policy: str) -> Path:
    return Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{profile}-{policy}"
