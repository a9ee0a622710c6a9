"""`ricity train continual`: trained agents meet a shift of demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import percent


def continual(
    weights: Annotated[Path, typer.Option("--from", help="Weights of the agents before the shift.")],
    out: Annotated[Path, typer.Option(help="Folder for result.json and the adapted weights.")],
    config: Annotated[str, typer.Option(help="continual, or a YAML file of your own.")] = "continual",
    profile: Annotated[str | None, typer.Option(help="Instead of the configuration's.")] = None,
    service: Annotated[str, typer.Option(help="The service that asks for more.")] = "video",
    factor: Annotated[float, typer.Option(help="How many times as many flows.")] = 2.0,
    hour: Annotated[int, typer.Option(min=0, max=23, help="Of the live day from which it does.")] = 12,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of each adaptation: seeds 1, 2, ...")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Decisions of an adaptation, instead of the configuration's.")] = None,
    anchor: Annotated[float, typer.Option(min=0, help="Weight of the divergence from the policy before the shift.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Notice a shift of demand, adapt to it by three strategies, and tell what each knows of the old traffic and the new.

    frozen learns nothing; fine-tuned learns on the new traffic; rehearsed keeps half of its lanes on the old traffic and is
    held near its old policy there.

    Examples:

      ricity train continual --from runs/amarl-1/weights --out runs/continual

      ricity train continual --from runs/amarl-1/weights --out runs/continual --service voip --factor 3 --seeds 5 --json
    """
    from ric_sim.domain.errors import InvalidInput
    from services.trainer.continual import ContinualPlan, Shift, run_continual
    from services.trainer.routing import find_config

    chosen = find_config(config)
    if steps is not None:
        chosen = chosen.model_copy(update={"total_steps": steps})
    profiles = chosen.traffic.profiles if profile is None else (profile,)
    if len(profiles) != 1 or chosen.traffic.days < 2:
        raise InvalidInput(
            f"configuration {chosen.name} has {len(profiles)} profiles and {chosen.traffic.days} day: expected one profile "
            "(--profile chooses it) and at least two days, one to rehearse"
        )
    chosen = chosen.model_copy(update={"traffic": chosen.traffic.model_copy(update={"profiles": profiles})})
    plan = ContinualPlan(
        chosen, weights, Shift(service, factor, hour * 3_600_000), seeds=tuple(range(1, seeds + 1)), anchor=anchor
    )
    with error_console.status("detection") as status:
        result = run_continual(plan, out=out, watch=status.update)
    out.mkdir(parents=True, exist_ok=True)
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    emit(result, as_json=as_json, people=lambda: Group(_noticed(result), _table(result)))


def _noticed(result: dict[str, Any]) -> str:
    seen, shift = result["detection"], result["shift"]
    what = f"{shift['service']} x {shift['factor']:g} from {shift['from_ms'] / 3_600_000:g}:00"
    false = f"{seen['false_alarms']} false alarms before"
    if seen["alarm_ms"] is None:
        return f"{what}: not noticed; {false}"
    grown = ", ".join(f"{key} x {ratio:.2f}" for key, ratio in seen["grown"].items()) or "no service's demand"
    return f"{what}: noticed after {seen['delay_min']:g} min in {', '.join(seen['signals'])}; {false}; grown: {grown}"


def _table(result: dict[str, Any]) -> Any:
    rows = []
    for name, by_regime in result["strategies"].items():
        cells = [name]
        for regime in ("old", "new"):
            cells += [
                percent(by_regime[regime]["gos"]["mean"]),
                "-" if name == "frozen" else _points(by_regime[regime]["change"]),
            ]
        rows.append(cells)
    title = (
        f"{result['profile']}: GoS % on a validation day of each regime after {result['decisions']:,} decisions, "
        f"{len(result['seeds'])} seeds, change in points with 95 % interval"
    )
    return table(title, ("<strategy", "old", "change", "new", "change"), rows)


def _points(interval: dict[str, Any]) -> str:
    half = interval["half_width"]
    return f"{100 * interval['mean']:+.2f}" + ("" if half is None else f" ± {100 * half:.2f}")
