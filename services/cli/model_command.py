"""`ricity model`: the registry of trained models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import JsonOption, emit, report_error, table
from services.cli.run_tables import percent
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present
from services.common.errors import EXIT_FAILED

if TYPE_CHECKING:
    from services.registry.model import ModelVersion
    from services.registry.registry import Registry

DEFAULT_REGISTRY = Path("runs/registry")
GOS_METRIC = "gos_validation"
_RUN_METRICS = (GOS_METRIC, "reward", "satisfied", "all3")
RegistryOption = Annotated[
    Path, typer.Option("--registry", envvar="RICITY_REGISTRY", help="Folder of the registry; made by the first publication.")
]
NameArgument = Annotated[
    str, typer.Argument(help="routing-amarl (a team), routing-amarl-video (one agent), slicing-ta-sam, critic-live")
]
VersionArgument = Annotated[int, typer.Argument(min=1, help="As `ricity model show NAME` lists them.")]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Trained models: versions, stages, what is in production.

    A version is staged when published, may be a canary, serves in production, and retires. Running xApps follow a stage:
    give them `--weights REGISTRY/production/NAME`, and a promotion reaches them within a second.

    Examples:

      ricity model publish routing-amarl runs/amarl-1

      ricity model promote routing-amarl 1

      ricity run --weights runs/registry/production/routing-amarl

      ricity model rollback routing-amarl
    """


@app.command("list")
def list_models(
    registry: RegistryOption = DEFAULT_REGISTRY,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the models with what is in production and in canary.

    Examples:

      ricity model list --json

      ricity model list --watch
    """
    present(lambda: _models(registry), Pace(watch, every_s, count), as_json=as_json)


def _models(registry: Path) -> View:
    from services.registry.model import Stage

    rows = []
    for name, model in open_registry(registry).models().items():
        at = {stage: model.at(stage) for stage in (Stage.PRODUCTION, Stage.CANARY)}
        numbers = {str(stage): version.version if version else None for stage, version in at.items()}
        rows.append({"name": name, "versions": len(model.versions), **numbers})
    cells = [tuple("-" if cell is None else cell for cell in row.values()) for row in rows]
    title = f"Models in {registry}"
    columns = ("<model", "versions", "production", "canary")
    return View({"models": rows}, lambda: table(title, columns, cells))


@app.command()
def show(name: NameArgument, registry: RegistryOption = DEFAULT_REGISTRY, as_json: JsonOption = False) -> None:
    """Show the versions of a model: stage, quality, and where they come from.

    Example:

      ricity model show routing-amarl
    """
    model = open_registry(registry).model(name)
    rows = [version_fields(each) for each in model.versions]
    payload = {"name": name, "versions": rows, "served": list(model.served)}
    emit(payload, as_json=as_json, people=lambda: _versions(name, rows))


@app.command()
def publish(
    name: NameArgument,
    source: Annotated[Path, typer.Argument(help="Folder of a training run or of weights, or the weight file of one agent.")],
    metric: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER, kept with the version; repeat for more.")] = None,
    parent: Annotated[int | None, typer.Option(help="Version it descends from.", show_default="the one in production")] = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Take in trained weights as a new, staged version. Weights that are known already stay the version they are.

    Every file is verified: digest, features, algorithm, service. Of a training run, its validation is kept as a metric.

    Examples:

      ricity model publish routing-amarl runs/amarl-1

      ricity model publish routing-amarl-video runs/amarl-1/weights/amarl/video.safetensors --metric gos=0.991

      ricity model publish slicing-ta-sam runs/slicing-1
    """
    from services.registry.model import read_metrics

    known = read_metrics(metric or [])
    published = publish_run(open_registry(registry), name, source, known, parent=parent)
    facts = {"name": name, "is_new": published.created, **version_fields(published.version)}
    emit(facts, as_json=as_json, people=lambda: _versions(name, [facts]))


@app.command()
def promote(
    name: NameArgument,
    version: VersionArgument,
    to: Annotated[str, typer.Option(help="production or canary.")] = "production",
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Move a version to production (the one there retires) or to canary. Running xApps that follow the stage take it up.

    Examples:

      ricity model promote routing-amarl 2

      ricity model promote routing-amarl 3 --to canary
    """
    from ric_sim.domain.errors import UnknownKey
    from services.registry.model import SERVED, Stage

    if to not in list(SERVED):
        raise UnknownKey("stage", to, [str(stage) for stage in SERVED])
    _changed(name, open_registry(registry).promote(name, version, Stage(to)), as_json=as_json)


@app.command()
def rollback(name: NameArgument, registry: RegistryOption = DEFAULT_REGISTRY, as_json: JsonOption = False) -> None:
    """Bring back the version that was in production before; the present one retires.

    Example:

      ricity model rollback routing-amarl
    """
    _changed(name, open_registry(registry).rollback(name), as_json=as_json)


@app.command()
def retire(
    name: NameArgument, version: VersionArgument, registry: RegistryOption = DEFAULT_REGISTRY, as_json: JsonOption = False
) -> None:
    """Take a staged or canary version out of use. What is in production leaves it by a promotion or a rollback only.

    Example:

      ricity model retire routing-amarl 3
    """
    _changed(name, open_registry(registry).retire(name, version), as_json=as_json)


@app.command()
def gc(
    keep_retired: Annotated[
        int | None,
        typer.Option(min=0, help="Drop the files of retired versions but the newest N of each model.", show_default="drop none"),
    ] = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Remove files that no version refers to, e.g. of a publication that was killed. A rollback's target is always kept.

    Examples:

      ricity model gc

      ricity model gc --keep-retired 3
    """
    swept = open_registry(registry).collect(keep_retired=keep_retired)
    facts = {"removed": list(swept.removed), "collected": list(swept.collected), "freed_bytes": swept.freed_bytes}
    cells = [(path,) for path in swept.removed]
    emit(facts, as_json=as_json, people=lambda: table(f"removed, {swept.freed_bytes:,} bytes", ("<path",), cells))


@app.command()
def verify(registry: RegistryOption = DEFAULT_REGISTRY, as_json: JsonOption = False) -> None:
    """Read every file again and compare it with the index. Exit code 1 if anything is not as it says.

    Example:

      ricity model verify --registry runs/registry
    """
    problems = open_registry(registry).verify()
    facts = {"ok": not problems, "problems": problems}
    emit(facts, as_json=as_json, people=lambda: "registry is sound" if not problems else "\n".join(problems))
    if problems:
        report_error("registry_unsound", f"{len(problems)} problems; first: {problems[0]}", as_json=False)
        raise typer.Exit(EXIT_FAILED)


@app.command()
def export(
    name: NameArgument,
    version: VersionArgument,
    onnx: Annotated[Path, typer.Option("--onnx", help="Folder for <agent>.onnx; made if it is not there.")],
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Write the agents of a version as ONNX graphs, for other runtimes. Their metadata has the spec and the digest.

    Ricity itself runs safetensors; docs/registry.md says what goes into the graphs and what comes out.

    Example:

      ricity model export slicing-ta-sam 1 --onnx exported
    """
    from services.registry.onnx_export import export_onnx

    written = [str(path) for path in export_onnx(open_registry(registry), name, version, onnx)]
    emit({"files": written}, as_json=as_json, people=lambda: table("written", ("<path",), [(path,) for path in written]))


def open_registry(folder: Path) -> Registry:
    """The registry in a folder, which need not exist yet."""
    from services.registry.registry import Registry

    return Registry(folder)


def publish_run(
    registry: Registry, name: str, source: Path, metrics: dict[str, float] | None = None, *, parent: int | None = None
) -> Any:
    """Publishes weights, a folder of them, or a training run with its validation; see `Registry.publish`."""
    weights = source / "weights" if (source / "weights").is_dir() else source
    known = _of_run(weights.parent / "result.json") if weights.name == "weights" else {}
    return registry.publish(name, weights, metrics=known | (metrics or {}), parent=parent)


def version_fields(version: ModelVersion) -> dict[str, Any]:
    """One version as JSON-ready fields."""
    from dataclasses import asdict

    return asdict(version)


def _of_run(result: Path) -> dict[str, float]:
    """What a finished run says of its quality; nothing of another kind of folder or of a run that was cut off."""
    try:
        facts = json.loads(result.read_text())
    except (OSError, ValueError):
        return {}
    known = facts if isinstance(facts, dict) else {}
    return {key: float(known[key]) for key in _RUN_METRICS if isinstance(known.get(key), int | float)}


def _changed(name: str, version: ModelVersion, *, as_json: bool) -> None:
    facts = {"name": name, **version_fields(version)}
    emit(facts, as_json=as_json, people=lambda: _versions(name, [facts]))


def _versions(name: str, rows: list[dict[str, Any]]) -> Any:
    columns = ("version", "<stage", "<sha256", "agents", "validation GoS %", "seed", "decisions", "parent", "<created")
    cells = [
        (
            row["version"],
            f"{row['stage']}{', files dropped' if row['collected'] else ''}",
            row["sha256"][:12],
            len(row["files"]),
            percent(row["metrics"].get(GOS_METRIC)),
            row["files"][0]["lineage"]["seed"],
            f"{row['files'][0]['lineage']['steps']:,}",
            row["parent"] or "-",
            row["created"],
        )
        for row in rows
    ]
    return table(name, columns, cells)
