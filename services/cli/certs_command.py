"""`ricity certs`: certificates and scopes of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ric_sim.domain.errors import Conflict, NotFound
from services.cli.output import JsonOption, emit, table

if TYPE_CHECKING:
    from services.common.certificates import Issued
    from services.common.roster import Member

app = typer.Typer(
    help="Certificates for mutual TLS: a CA of your own, one identity per part and xApp, and what each may do.\n\n"
    "docs/security.md says how the parts are given them.",
    no_args_is_help=True,
)

DEFAULT_FOLDER = Path("certs")
EXPIRES_SOON_DAYS = 30
_HEADER = (
    "# Who may do what over gRPC: identities and their scopes (docs/security.md). Derived from the xapp.yaml files;\n"
    "# entries changed by hand stay as they are until `ricity certs create --renew-scopes`.\n"
)


@app.command("create")
def create(
    out: Annotated[Path, typer.Option("--out", help="Folder of the certificates; made if it is not there.")] = DEFAULT_FOLDER,
    days: Annotated[int, typer.Option("--days", help="How long new certificates are valid, 1 to 3650.")] = 365,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="Further DNS name or IP address of parts that serve, or of one: PART=ADDRESS; repeat."),
    ] = None,
    descriptors: Annotated[
        list[Path] | None, typer.Option("--descriptor", help="xapp.yaml of an xApp that did not come with Ricity; repeat.")
    ] = None,
    renew_scopes: Annotated[bool, typer.Option("--renew-scopes", help="Take all scopes from the descriptors again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make what is missing: the CA, a certificate per part and xApp, and scopes.yaml.

    What is there and sound is kept; a certificate in the last quarter of its life is renewed. Running parts take up renewed
    files by themselves; store, Grafana and a training over the RIC read theirs once.

    Examples:

      ricity certs create

      ricity certs create --out /etc/ricity/certs --days 90 --address ric=ric.example
    """
    from services.common.certificates import CertificateAuthority

    members = _members(descriptors or [])
    authority = CertificateAuthority(out)
    issued = [authority.ensure(member.leaf(tuple(address or ())), days=days) for member in members]
    kept = _write_scopes(out, members, renew=renew_scopes)
    rows = [_row(each) | {"outcome": "made" if each.is_new else "kept"} for each in issued]
    payload = {"folder": str(out), "ca_not_after": _utc(authority.not_after), "certificates": rows, "scopes_kept": kept}
    emit(payload, as_json=as_json, people=lambda: _created(payload))


@app.command("show")
def show(
    out: Annotated[Path, typer.Option("--out", help="Folder of the certificates.")] = DEFAULT_FOLDER, as_json: JsonOption = False
) -> None:
    """List the certificates of a folder with their identities, scopes and when they expire.

    Example:

      ricity certs show --json
    """
    from services.common.certificates import issued_in

    if not out.is_dir():
        raise NotFound(f"{out}: no such folder; `ricity certs create --out {out}` makes it")
    scopes = _read_scopes(out)
    rows = [_row(each) | {"scope": scopes.get(each.identity, {})} for each in issued_in(out)]
    cells = [(row["name"], row["identity"], row["not_after"], _state(row), _words(row["scope"])) for row in rows]
    columns = ("<part", "<identity", "<expires", "<state", "<may")
    emit({"certificates": rows}, as_json=as_json, people=lambda: table(f"Certificates in {out}", columns, cells))


@app.command("parts")
def parts(as_json: JsonOption = False) -> None:
    """Print the name of every part and xApp that gets a certificate, one a line.

    Example:

      ricity certs parts
    """
    names = [member.name for member in _members([])]
    emit({"parts": names}, as_json=as_json, people=lambda: "\n".join(names))


def _members(extra: Sequence[Path]) -> list[Member]:
    """Platform and xApps. Raises `UnknownKey`, `MalformedFile`: a descriptor that does not fit; `Conflict`: a name twice."""
    from services.common.roster import platform, xapps_of
    from xapps.sdk.descriptor import find_descriptors, load_descriptor

    descriptors = [*find_descriptors().values(), *map(load_descriptor, extra)]
    members = [*platform(), *(member for descriptor in descriptors for member in xapps_of(descriptor))]
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1 or name == "ca":
            raise Conflict(f"xApp name {name!r} is taken: every identity has a name of its own")
    return members


def _write_scopes(folder: Path, members: Sequence[Member], *, renew: bool) -> list[str]:
    """Writes scopes.yaml and its copies; returns identities whose entry was changed by hand and kept."""
    import yaml

    from services.common.certificates import write_all
    from services.common.tls import SCOPES_FILE

    held = {} if renew else _read_scopes(folder)
    derived = {member.identity.uri: dict(member.scope) for member in members}
    entries = {**derived, **held}
    content = _HEADER + yaml.safe_dump(entries, sort_keys=True, default_flow_style=None, width=120)
    places = [folder, *(folder / member.name for member in members if member.decides)]
    write_all((place / SCOPES_FILE for place in places), content.encode())
    return sorted(uri for uri in held if uri in derived and held[uri] != derived[uri])


def _read_scopes(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The entries of scopes.yaml, none without one. Raises `MalformedFile`."""
    import yaml

    from ric_sim.e2.scopes import load_scopes
    from services.common.tls import SCOPES_FILE

    path = folder / SCOPES_FILE
    if not path.exists():
        return {}
    load_scopes(path)
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _row(issued: Issued) -> dict[str, Any]:
    left_days = (issued.not_after - datetime.now(UTC)).days
    return {"name": issued.name, "identity": issued.identity, "not_after": _utc(issued.not_after), "left_days": left_days}


def _created(payload: dict[str, Any]) -> str:
    rows = payload["certificates"]
    made = [row["name"] for row in rows if row["outcome"] == "made"]
    lines = [
        f"{payload['folder']}: {len(made)} certificates made, {len(rows) - len(made)} kept; "
        f"the first expires {min(row['not_after'] for row in rows)}, the CA {payload['ca_not_after']}",
        "Give each part its own folder as RICITY_TLS_DIR, and keep ca/ to yourself.",
    ]
    if payload["scopes_kept"]:
        lines.append(f"Scopes changed by hand, kept: {', '.join(payload['scopes_kept'])} (--renew-scopes takes the descriptors')")
    return "\n".join(lines)


def _state(row: dict[str, Any]) -> str:
    if row["left_days"] < 0:
        return "EXPIRED"
    return f"{row['left_days']} days left" + (", renew" if row["left_days"] < EXPIRES_SOON_DAYS else "")


def _words(scope: dict[str, list[str]]) -> str:
    return "; ".join(f"{key} {' '.join(map(str, values))}" for key, values in scope.items() if values) or "-"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
