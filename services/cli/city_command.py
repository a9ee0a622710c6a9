"""`ricity city`: cities and days as files and in figures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from services.cli.output import JsonOption, emit, table

app = typer.Typer(help="Cities and days: write them to files, show them in figures.", no_args_is_help=True)

ProfileOption = Annotated[str, typer.Option(help="paper, congested, stress or smoke.")]
DayOption = Annotated[str, typer.Option(help="test or train.")]
SeedOption = Annotated[int | None, typer.Option(help="Another day with the same statistics.")]


@app.command()
def export(
    city: Annotated[Path, typer.Option(help="Where to write the city (JSON).", show_default=False)],
    flows: Annotated[Path, typer.Option(help="Where to write the day (CSV).", show_default=False)],
    profile: ProfileOption = "paper",
    day: DayOption = "test",
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the built-in city and a day of it as files, to play as they are or to change first (docs/city.md).

    Example:

      ricity city export --profile paper --city city.json --flows day.csv

      ricity run --city city.json --flows day.csv
    """
    from ric_sim.domain.errors import InvalidInput
    from ric_sim.network.city_file import save_city
    from ric_sim.network.flow_file import save_flows
    from ric_sim.network.scenario import load_scenario

    scenario = load_scenario(profile=profile, day=day, seed=seed)
    try:
        save_city(scenario.city, city)
        save_flows(scenario.day, scenario.city, flows)
    except OSError as error:
        raise InvalidInput(f"{error.filename}: cannot be written ({error.strerror})") from error
    facts = {
        "city": str(city),
        "flows": str(flows),
        "nodes": scenario.city.n_nodes,
        "links": scenario.city.n_links,
        "requests": len(scenario.day),
        "scenario_hash": scenario.config_hash,
    }
    emit(
        facts,
        as_json=as_json,
        people=lambda: f"{city}: {facts['nodes']} nodes, {facts['links']} links\n{flows}: {facts['requests']:,} requests",
    )


@app.command()
def stats(
    profile: ProfileOption = "paper",
    day: DayOption = "test",
    seed: SeedOption = None,
    city: Annotated[Path | None, typer.Option(help="A city of your own (JSON).")] = None,
    flows: Annotated[Path | None, typer.Option(help="A day of your own (CSV).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a city and a day in figures: nodes, links, compute, and per service counts, load and reference delay.

    Examples:

      ricity city stats --day train

      ricity city stats --city city.json --flows day.csv --json
    """
    from ric_sim.network.calibration import city_statistics, day_statistics
    from ric_sim.network.scenario import load_scenario

    scenario = load_scenario(profile=profile, day=day, seed=seed, city_file=city, flow_file=flows)
    facts: dict[str, Any] = {
        "scenario_hash": scenario.config_hash,
        "city": asdict(city_statistics(scenario.city)),
        "day": asdict(day_statistics(scenario.city, scenario.day)),
    }
    emit(facts, as_json=as_json, people=lambda: Group(_city_table(facts["city"]), _day_table(facts["day"])))


def _city_table(city: dict[str, Any]) -> Any:
    rows = [
        (kind, count, f"{city['nominal_ucores'].get(kind, 0) / 1e6:,.1f}", f"{city['limit_ucores'].get(kind, 0) / 1e6:,.1f}")
        for kind, count in city["nodes"].items()
    ]
    links = ", ".join(f"{pair} {count}" for pair, count in city["links"].items())
    title = f"{city['name']}, {city['profile']}: {sum(city['links'].values())} directed links"
    return Group(table(title, ("<kind", "nodes", "cores", "admissible cores"), rows), f"links: {links}\n")


def _day_table(day: dict[str, Any]) -> Any:
    columns = ("<service", "requests", "mean Mbps", "mean hold s", "offered Mbps", "concurrent", "ref. delay ms", "p95 ms")
    rows = [
        (
            service["key"],
            f"{service['flows']:,}",
            f"{service['mean_bandwidth_kbps'] / 1000:.1f}",
            f"{service['mean_holding_s']:.1f}",
            f"{service['offered_kbps'] / 1000:,.1f}",
            f"{service['concurrent_flows']:.1f}",
            f"{service['reference_processing_us'] / 1000:.2f}",
            f"{service['reference_processing_p95_us'] / 1000:.2f}",
        )
        for service in day["services"]
    ]
    title = f"day {day['name']}: {day['flows']:,} requests, {day['offered_kbps'] / 1e6:.2f} Gbps on average"
    return table(title, columns, rows)
