"""Bodies that are too long, as a real server gets them: announced, and in pieces that nobody announced."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import Body, Depends, FastAPI, Request, UploadFile

from services.common.json_text import whole_text
from services.common.rest_limits import MAX_BODY_BYTES, limit_bodies
from services.common.rest_problems import install_problems
from services.common.rest_server import serving

MOST_UPLOADED_BYTES = 2 * MAX_BODY_BYTES


def make_app() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    install_problems(app, log=structlog.get_logger())
    limit_bodies(app, uploads={"/files/[a-z]+": MOST_UPLOADED_BYTES})

    @app.post("/document")
    async def document(given: Annotated[dict[str, Any], Body()]) -> int:
        return len(given)

    @app.post("/checked", dependencies=[Depends(whole_text)])
    async def checked(given: Annotated[dict[str, Any], Body()]) -> int:
        return len(given)

    @app.post("/streamed")
    async def streamed(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.post("/files/{name}")
    async def files(name: str, file: UploadFile) -> int:
        return len(await file.read())

    return app


@pytest.fixture
async def client():
    async with (
        serving(make_app(), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as opened,
    ):
        yield opened


async def pieces(n_bytes: int):
    """A JSON document of so many bytes, without a word about how many there will be."""
    yield b'{"a": "'
    for _ in range(8):
        yield b"x" * ((n_bytes - 9) // 8)
    yield b"x" * ((n_bytes - 9) % 8) + b'"}'


def assert_too_long(reply: httpx.Response) -> None:
    assert reply.status_code == 413
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:ricity:error:oversize_message"
    assert "at most" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/document", "/checked", "/streamed"])
async def test_what_fits_is_read_and_a_byte_more_is_not(client, path):
    headers = {"Content-Type": "application/json"}
    for size, fits in ((MAX_BODY_BYTES, True), (MAX_BODY_BYTES + 1, False)):
        whole = b"".join([piece async for piece in pieces(size)])
        assert len(whole) == size
        for content in (whole, pieces(size)):
            reply = await client.post(path, content=content, headers=headers)
            if fits:
                assert reply.status_code == 200
            else:
                assert_too_long(reply)


async def test_files_may_be_larger_where_they_are_taken_and_not_without_end(client):
    held = MOST_UPLOADED_BYTES - 1024  # the form's own lines count, too
    assert (await client.post("/files/a", files={"file": b"x" * held})).json() == held
    assert_too_long(await client.post("/files/a", files={"file": b"x" * MOST_UPLOADED_BYTES}))


async def test_what_reads_no_body_answers_as_ever(client):
    assert (await client.request("GET", "/document", content=b"x")).status_code == 405
