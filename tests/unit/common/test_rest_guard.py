"""Tokens in front of a REST interface: a real server, real requests."""

from __future__ import annotations

import json
import ssl

import httpx
import pytest
import structlog
from fastapi import FastAPI

from ric_sim.domain.errors import InvalidInput, MalformedFile
from services.common.certificates import CertificateAuthority
from services.common.rest_guard import RestSettings, protect
from services.common.rest_server import serving
from services.common.roster import platform
from services.common.tls import Transport
from services.common.tokens import Role, create_token, revoke_token

LOG = structlog.get_logger()
HEALTH = "/ric/v1/health/ready"


def make_app() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get(HEALTH)
    def ready() -> str:
        return "ready"

    @app.get("/things")
    def read() -> list[str]:
        return ["a"]

    @app.put("/things")
    def write() -> str:
        return "written"

    return app


@pytest.fixture
def tokens(tmp_path):
    return tmp_path / "tokens.json"


@pytest.fixture
def bearers(tokens):
    return {role: create_token(tokens, f"a-{role}", role) for role in Role}


@pytest.fixture
async def client(tokens, bearers):
    app = make_app()
    protect(app, RestSettings(tokens_file=tokens), log=LOG)
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as opened,
    ):
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_problem(reply: httpx.Response, status: int, code: str) -> None:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == f"urn:ricity:error:{code}"
    assert reply.json()["status"] == status


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "nonsense", "Bearer \xff\xfe"])
@pytest.mark.parametrize("path", ["/things", "/openapi.json", "/no-such-path", HEALTH])
async def test_without_a_token_nothing_is_told(client, header, path):
    reply = await client.get(path, headers=[] if header is None else [(b"authorization", header.encode("latin-1"))])
    assert_problem(reply, 401, "unauthenticated")
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_two_tokens_are_none(client, bearers):
    headers = [("Authorization", f"Bearer {token}") for token in bearers.values()]
    assert_problem(await client.get("/things", headers=headers), 401, "unauthenticated")


async def test_a_viewer_looks_and_an_operator_changes(client, bearers):
    viewer, operator = (bearer(bearers[role]) for role in (Role.VIEWER, Role.OPERATOR))
    assert (await client.get("/things", headers=viewer)).json() == ["a"]
    assert_problem(await client.put("/things", headers=viewer), 403, "permission_denied")
    assert (await client.put("/things", headers=operator)).json() == "written"


async def test_a_revoked_token_stops_working_at_once(client, tokens, bearers):
    operator = bearer(bearers[Role.OPERATOR])
    assert (await client.get("/things", headers=operator)).status_code == 200
    revoke_token(tokens, "a-operator")
    assert_problem(await client.get("/things", headers=operator), 401, "unauthenticated")


async def test_a_damaged_token_file_lets_nobody_in_and_is_taken_up_once_mended(client, tokens, bearers):
    sound = tokens.read_text()
    tokens.write_text("{")
    for _ in range(2):
        assert_problem(await client.get("/things", headers=bearer(bearers[Role.VIEWER])), 401, "unauthenticated")
    tokens.write_text(sound)
    assert (await client.get("/things", headers=bearer(bearers[Role.VIEWER]))).status_code == 200


async def test_the_document_says_that_tokens_are_needed(client, bearers):
    document = (await client.get("/openapi.json", headers=bearer(bearers[Role.VIEWER]))).json()
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {"401", "403"} <= set(document["paths"]["/things"]["put"]["responses"])


async def test_a_browser_asks_its_user(tokens, bearers):
    app = make_app()
    protect(app, RestSettings(tokens_file=tokens), log=LOG, browser=True)
    async with serving(app, host="127.0.0.1", port=0) as port, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{port}/things"
        assert (await client.get(url)).headers["www-authenticate"].startswith("Basic")
        assert (await client.get(url, auth=("anyone", bearers[Role.VIEWER]))).status_code == 200
        assert (await client.put(url, auth=("anyone", bearers[Role.VIEWER]))).status_code == 403
        assert (await client.get(url, auth=("anyone", "wrong"))).status_code == 401


async def test_with_certificates_it_is_https(tmp_path, tokens, bearers):
    authority = CertificateAuthority(tmp_path / "certs")
    manager = next(member for member in platform() if member.name == "manager")
    authority.ensure(manager.leaf())
    settings = RestSettings(tokens_file=tokens, tls_dir=tmp_path / "certs" / "manager")
    app = make_app()
    protect(app, settings, log=LOG)
    async with serving(app, host="127.0.0.1", port=0, **settings.server_options()) as port:
        url = f"https://localhost:{port}/things"
        trusted = Transport(settings.tls_dir).trusted()
        assert isinstance(trusted, ssl.SSLContext)
        async with httpx.AsyncClient(trust_env=False, verify=trusted) as client:
            assert (await client.get(url, headers=bearer(bearers[Role.VIEWER]))).json() == ["a"]
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(url)


def test_other_machines_are_not_let_in_unasked(tmp_path):
    with pytest.raises(InvalidInput, match="RICITY_TOKENS_FILE"):
        protect(make_app(), RestSettings(host="0.0.0.0"), log=LOG)
    protect(make_app(), RestSettings(host="0.0.0.0", insecure=True), log=LOG)
    with pytest.raises(MalformedFile, match="ricity token create"):
        protect(make_app(), RestSettings(tokens_file=tmp_path / "absent.json"), log=LOG)


def test_the_file_keeps_no_token(tokens, bearers):
    content = tokens.read_text()
    assert not any(token in content or token.removeprefix("ricity_") in content for token in bearers.values())
    assert {entry["name"] for entry in json.loads(content)["tokens"]} == {"a-viewer", "a-operator"}
    assert tokens.stat().st_mode & 0o777 == 0o600
