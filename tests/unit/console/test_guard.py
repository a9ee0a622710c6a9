import httpx
import pytest
from starlette.responses import PlainTextResponse

from services.console.guard import HEADERS, Guard, host_name

HOSTS = frozenset({"localhost", "127.0.0.1"})


def client(*, read_only: bool = False, base_url: str = "http://localhost:8088") -> httpx.AsyncClient:
    app = Guard(PlainTextResponse("inside"), hosts=HOSTS, read_only=read_only)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)


async def test_every_answer_carries_the_headers_also_a_refusal():
    async with client() as ours, client(base_url="http://evil.example") as theirs:
        for reply in (await ours.get("/"), await theirs.get("/")):
            assert HEADERS.items() <= dict(reply.headers).items() or all(
                reply.headers[name] == value for name, value in HEADERS.items()
            )
        assert "unsafe" not in reply.headers["Content-Security-Policy"]


async def test_a_name_that_was_not_given_is_refused():
    async with client(base_url="http://rebound.example:8088") as foreign:
        reply = await foreign.get("/api/v1/city")
    assert reply.status_code == 403
    assert "RICITY_ALLOWED_HOSTS" in reply.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:8088", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_only_the_own_page_changes_anything(headers, status):
    async with client() as ours:
        assert (await ours.put("/", headers=headers)).status_code == status


async def test_a_read_only_console_changes_nothing():
    async with client(read_only=True) as ours:
        assert (await ours.get("/")).status_code == 200
        for method in ("PUT", "DELETE", "POST", "PATCH"):
            assert (await ours.request(method, "/")).status_code == 403


@pytest.mark.parametrize(("host", "name"), [("a:80", "a"), ("A", "a"), ("[::1]:80", "::1"), ("", "")])
def test_the_name_in_a_host_header(host, name):
    assert host_name(host) == name
