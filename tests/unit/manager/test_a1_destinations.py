"""Where the manager lets itself be sent: public addresses, and what the operator allows."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest
import structlog

from ric_sim.domain.errors import InvalidInput
from services.manager.a1_book import Status
from services.manager.a1_callbacks import Notifier
from services.manager.a1_destinations import LOOPBACK, Destinations, GuardedTransport
from services.manager.settings import ManagerSettings

PUBLIC = ["http://93.184.216.34/x", "https://[2606:2800:220:1::1]:8443/", "http://status.example.com/a?b=c"]
INTERNAL = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://localhost:6379/",
    "http://LOCALHOST./",
    "http://db.localhost/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://224.0.0.1/",
    "http://[::1]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
]
NO_HTTP = ["ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "http://", "//example.com/", "http://h:0/", "x"]


@pytest.mark.parametrize("uri", PUBLIC)
def test_public_addresses_and_names_are_taken(uri):
    assert Destinations().check(uri) == uri


@pytest.mark.parametrize("uri", INTERNAL)
def test_addresses_of_the_inside_are_refused_however_they_are_written(uri):
    with pytest.raises(InvalidInput, match="no public address"):
        Destinations().check(uri)


@pytest.mark.parametrize("uri", [*NO_HTTP, "http://example.com/" + "x" * 2048])
def test_what_is_no_http_uri_is_refused(uri):
    with pytest.raises(InvalidInput, match="expected an http or https URI"):
        Destinations(["0.0.0.0/0"]).check(uri)


def test_the_operator_allows_names_addresses_and_networks():
    allowing = Destinations(["10.0.0.0/8", " smo.inside ", "192.168.1.1", ""])
    for uri in ("http://10.9.9.9/", "http://smo.inside/", "http://192.168.1.1/"):
        assert allowing.check(uri) == uri
    with pytest.raises(InvalidInput):
        allowing.check("http://192.168.1.2/")


def test_a_manager_on_loopback_may_call_this_machine_and_no_other_may():
    assert ManagerSettings().destinations.check("http://localhost:9/")
    with pytest.raises(InvalidInput):
        ManagerSettings(host="0.0.0.0", insecure=True).destinations.check("http://localhost:9/")


@contextlib.asynccontextmanager
async def listener():
    """Counts the requests it is sent, answers 204, and keeps their Host."""
    hosts: list[str] = []

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        hosts.append(next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("host:")))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], hosts


async def test_a_name_that_leads_inside_is_not_followed():
    """What `check` cannot see in a name is seen when it is resolved."""
    async with listener() as (port, hosts):
        refusing = GuardedTransport(Destinations(), limits=httpx.Limits())
        async with httpx.AsyncClient(transport=refusing) as client:
            with pytest.raises(InvalidInput, match="not public"):
                await client.post(f"http://localhost:{port}/")
        assert not hosts
        allowing = GuardedTransport(Destinations(LOOPBACK), limits=httpx.Limits())
        async with httpx.AsyncClient(transport=allowing) as client:
            assert (await client.post(f"http://localhost:{port}/")).status_code == 204
        assert hosts == [f"localhost:{port}"]


async def test_a_redirect_to_the_inside_is_not_followed():
    async def redirect(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = GuardedTransport(Destinations(LOOPBACK), limits=httpx.Limits())
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.post(f"http://127.0.0.1:{port}/")).status_code == 302


async def test_a_notification_to_the_inside_is_dropped_and_logged():
    async with listener() as (port, hosts):
        with structlog.testing.capture_logs() as lines:
            notifier = Notifier(Destinations(), timeout_s=1.0, tries=3, log=structlog.get_logger())
            notifier.notify("p1", f"http://localhost:{port}/", Status(enforced=True))
            async with asyncio.timeout(30):
                while not lines:
                    await asyncio.sleep(0)
            await notifier.close()
        assert [line["event"] for line in lines] == ["a1.destination_refused"]
        assert not hosts
