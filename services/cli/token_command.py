"""`ricity token`: bearer tokens for the REST interfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ric_sim.domain.errors import NotFound
from services.cli.output import JsonOption, emit, table
from services.common.tokens import Role, create_token, load_tokens, revoke_token

app = typer.Typer(help="Tokens for the REST interfaces of manager, registry and console.", no_args_is_help=True)

DEFAULT_FILE = Path("certs/tokens.json")
FileOption = Annotated[Path, typer.Option("--file", help="Token file, given to the parts as RICITY_TOKENS_FILE.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="Who will hold it; stands in logs.")],
    role: Annotated[Role, typer.Option("--role", help="viewer may look, operator may change things, too.")] = Role.VIEWER,
    file: FileOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, this once: the file keeps its SHA-256 only. Running parts know it at once.

    Example:

      export RICITY_TOKEN=$(ricity token create --name alice --role operator)
    """
    bearer = create_token(file, name, role)
    if as_json:
        emit({"name": name, "role": role.value, "token": bearer, "file": str(file)}, as_json=True, people=lambda: "")
    else:
        typer.echo(bearer)


@app.command("list")
def list_tokens(file: FileOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """List names and roles of the tokens in a file.

    Example:

      ricity token list
    """
    rows = [{"name": token.name, "role": token.role.value} for token in load_tokens(file)]
    cells = [tuple(row.values()) for row in rows]
    emit({"tokens": rows}, as_json=as_json, people=lambda: table(f"Tokens in {file}", ("<name", "<role"), cells))


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="As `ricity token list` shows it.")],
    file: FileOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Take a token out of the file: it stops working at once.

    Example:

      ricity token revoke alice
    """
    if not revoke_token(file, name):
        raise NotFound(f"{file}: no token {name!r}; `ricity token list` shows them")
    emit({"name": name, "outcome": "revoked"}, as_json=as_json, people=lambda: f"{name}: revoked")
