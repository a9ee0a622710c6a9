"""The CLI's way to the manager's REST interface: where it is, and its problems as our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ric_sim.domain.errors import (
    ConfigRefused,
    Conflict,
    DriverUnavailable,
    InvalidInput,
    NotFound,
    OversizeMessage,
    PermissionDenied,
    RicityError,
    RicUnreachable,
    RolloutUnderway,
    TrialUnderway,
    Unauthenticated,
)

if TYPE_CHECKING:
    import httpx

DEFAULT_MANAGER = "http://127.0.0.1:8080"
TIMEOUT_S = 10.0

ManagerOption = Annotated[
    str, typer.Option("--manager", envvar="RICITY_MANAGER", help="URL of the manager's REST interface.", show_default=True)
]

_ERRORS: dict[int, type[RicityError]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: OversizeMessage,
    503: RicUnreachable,
}
_ERRORS_BY_CODE: dict[str, type[RicityError]] = {
    kind.code: kind for kind in (ConfigRefused, DriverUnavailable, RolloutUnderway, TrialUnderway)
}


def ask_manager(manager: str, method: str, path: str, **content: Any) -> httpx.Response:
    """One request to the manager; `content` as `httpx.request` takes it.

    Raises:
        InvalidInput: `manager` is no URL. RicUnreachable: nobody answers there.
        RicityError: what the manager's problem document says.
    """
    import httpx  # only these commands need it, and loading it would slow down every other

    from services.cli.connection import connection

    way = connection()
    try:
        reply = httpx.request(
            method,
            manager.rstrip("/") + path,
            timeout=TIMEOUT_S,
            trust_env=False,
            headers=way.headers,
            verify=way.transport.trusted(),
            **content,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InvalidInput(f"--manager {manager!r}: expected a URL such as {DEFAULT_MANAGER} ({error})") from error
    except httpx.HTTPError as error:
        raise RicUnreachable(
            f"no manager answers at {manager} ({error}): start one with `python -m services.manager.main`, "
            "or name another with --manager URL or RICITY_MANAGER; "
            "containers speak https: `make -s login` prints what it takes"
        ) from error
    if not reply.is_success:
        _raise_problem(manager, reply)
    return reply


def _raise_problem(manager: str, reply: httpx.Response) -> NoReturn:
    is_problem = reply.headers.get("content-type", "").startswith("application/problem+json")
    problem = reply.json() if is_problem else {"detail": reply.text[:300], "type": ""}
    code = problem["type"].rpartition(":")[2]
    kind = _ERRORS_BY_CODE.get(code) or _ERRORS.get(reply.status_code, RicityError)
    raise kind(f"the manager at {manager} answered {reply.status_code}: {problem['detail']}")
