"""`ricity audit`: proves from the commit log that nothing was ever oversubscribed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ric_sim.domain.errors import InvalidInput
from services.cli.connection import connection
from services.cli.output import JsonOption, emit, report_error, table
from services.common.errors import EXIT_FAILED

if TYPE_CHECKING:
    from ric_sim.store.base import StoreLayout
    from ric_sim.store.redis_store import RedisStore


def audit(
    store: Annotated[
        str | None, typer.Option(help="URL of a store: redis://host:port/db, redis+sentinel://host:port/service, unix:///path.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace in that store.")] = "city",
    run: Annotated[Path | None, typer.Option(help="Folder of a local run, finished or under way.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the commit log and prove: no capacity ever exceeded, every release matched, used = sum of live reservations.

    Exit code 1 and the first violation when the log does not prove it. Nothing is changed: the data of a finished run are
    read from a copy.

    Examples:

      ricity audit --run runs/20260102-120000-paper-cspf

      ricity audit --store redis://127.0.0.1:6379/0 --namespace city
    """
    from ric_sim.store.audit import audit as audit_store
    from ric_sim.store.redis_store import RedisStore

    if (store is None) == (run is None):
        raise InvalidInput("name what to audit: either --store URL (and --namespace) or --run DIR")
    if run is not None:
        with _store_of_run(run) as (opened, layout):
            report = audit_store(opened, layout)
    else:
        with RedisStore(connection().store(store or ""), namespace, patience_s=2.0) as opened:
            opened.layout()
            report = audit_store(opened)
    facts = report.as_dict()
    emit(facts, as_json=as_json, people=lambda: _report_table(facts))
    if not report.ok:
        report_error("audit_failed", f"{report.n_violations} violations; first: {report.violations[0]}", as_json=False)
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _store_of_run(folder: Path) -> Iterator[tuple[RedisStore, StoreLayout]]:
    """The store of a run as it is while it runs, else one started on a copy of its data; and the city it must hold."""
    from ric_sim.domain.errors import StoreUnreachable
    from ric_sim.network.scenario import load_scenario
    from ric_sim.store.base import StoreLayout
    from ric_sim.store.redis_store import RedisStore
    from services.cli.local.folder import RunFolder, read_json

    paths = RunFolder(folder)
    facts = read_json(paths.deployment)
    if facts is None:
        raise InvalidInput(f"--run {folder}: no deployment.json in there; expected the folder of a `ricity run`")
    city = load_scenario(profile=facts["profile"], day=facts["day"], city_file=_path(facts["city"])).city
    layout = StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint)
    try:
        is_embedded = facts["store"].startswith("unix:")
        access = facts["store"] if is_embedded else connection().store(facts["store"])
        with RedisStore(access, facts["namespace"], patience_s=0.2) as live:
            live.layout()
            yield live, layout
            return
    except StoreUnreachable:
        if not is_embedded:
            raise
    with _server_on_copy(paths.store) as url, RedisStore(url, facts["namespace"]) as stored:
        yield stored, layout


@contextmanager
def _server_on_copy(data: Path) -> Iterator[str]:
    import shutil
    import tempfile

    from ric_sim.store.embedded import EmbeddedServer

    with tempfile.TemporaryDirectory(prefix="ricity-audit-") as scratch:
        copy = Path(scratch) / "store"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock"))
        with EmbeddedServer(copy) as server:
            yield server.url


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _report_table(facts: dict[str, Any]) -> Any:
    rows = [
        ("audit", "passed" if facts["ok"] else f"FAILED, {facts['n_violations']} violations"),
        ("log records", f"{facts['records']:,}"),
        ("commits, releases, expiries", f"{facts['commits']:,}, {facts['releases']:,}, {facts['expiries']:,}"),
        ("held now", f"{facts['live']:,}"),
        ("fullest link, host", f"{100 * facts['peak_link_ratio']:.1f} %, {100 * facts['peak_compute_ratio']:.1f} %"),
    ]
    grid = table("", ("<", "<"), rows)
    grid.show_header = False
    return grid
