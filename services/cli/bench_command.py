"""`ricity bench`: the published figures, each with a reference measured in the same run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from ric_sim.domain.errors import InvalidInput
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number

app = typer.Typer(help="Measure the published figures, each with a reference from the same run.", no_args_is_help=True)

SOURCE_ROOT = Path(__file__).resolve().parents[2]

QuickOption = Annotated[bool, typer.Option("--quick", help="A short measurement, to try the command; not for publishing.")]


@app.command()
def store(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Commits per second and commit latency of the resource store, against the same script called directly and alternatives.

    Example:

      ricity bench store --json
    """
    _measure("bench_store", quick=quick, as_json=as_json)


@app.command()
def e2(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Decision time (INSERT sent to CONTROL received) at a paced 100 requests per second, against bare gRPC round trips.

    Example:

      ricity bench e2
    """
    _measure("bench_e2", quick=quick, as_json=as_json)


@app.command()
def loop(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """The whole day live against in-process, and what stale snapshots cost with and without a new plan after an abort.

    Example:

      ricity bench loop --json
    """
    _measure("bench_loop", quick=quick, as_json=as_json)


@app.command("train-routing")
def train_routing(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Environment steps per second of PPO training, against stock RLlib and sb3-contrib at equal network and minibatch.

    Example:

      ricity bench train-routing --json
    """
    _measure("bench_train_routing", quick=quick, as_json=as_json)


@app.command("train-slicing")
def train_slicing(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Cost of an update of six slicing agents: critic-SAM and TA-SAM against plain SAC, and plain SAC against RLlib's.

    Example:

      ricity bench train-slicing --json
    """
    _measure("bench_train_slicing", quick=quick, as_json=as_json)


@app.command("slicing-live")
def slicing_live(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Decision time in the slicing dApps and time of a weight push, all parts running, against bare gRPC round trips.

    Example:

      ricity bench slicing-live --json
    """
    _measure("bench_slicing_live", quick=quick, as_json=as_json)


@app.command()
def versions(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """What splitting requests between two versions and counting their outcomes adds to a request.

    Example:

      ricity bench versions --json
    """
    _measure("bench_versions", quick=quick, as_json=as_json)


@app.command()
def conflicts(quick: QuickOption = False, as_json: JsonOption = False) -> None:
    """Conflict check and commit against the plain commit on the store, and the slicing dApps' safety shield.

    Example:

      ricity bench conflicts --json
    """
    _measure("bench_conflicts", quick=quick, as_json=as_json)


def _measure(name: str, *, quick: bool, as_json: bool) -> None:
    module = load_benchmark(name)
    result = module.measure(quick=quick, tell=lambda line: error_console.print(line, highlight=False))
    emit(result, as_json=as_json, people=lambda: _figures_table(name, result))


def load_benchmark(name: str) -> ModuleType:
    """A module of the benchmarks folder, which only a source checkout has.

    Raises:
        InvalidInput: Ricity was installed without its source.
    """
    if not (SOURCE_ROOT / "benchmarks" / f"{name}.py").exists():
        raise InvalidInput(f"benchmarks/{name}.py is not here: benchmarks need a source checkout, `git clone` and `make setup`")
    if str(SOURCE_ROOT) not in sys.path:
        sys.path.insert(0, str(SOURCE_ROOT))
    return importlib.import_module(f"benchmarks.{name}")


def _figures_table(name: str, result: Mapping[str, Any]) -> Any:
    rows = [
        (
            figure["name"],
            number(figure["value"]),
            figure["unit"],
            figure["reference"],
            number(figure["reference_value"]),
            number(figure["ratio"]),
            figure.get("goal", ""),
        )
        for figure in result["figures"]
    ]
    return table(name, ("<figure", "value", "<unit", "<reference", "reference value", "ratio", "<goal"), rows)
