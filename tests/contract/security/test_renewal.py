"""Certificates that are renewed under running servers and lasting channels: real TLS, serial numbers seen by the other end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.certificates import CertificateAuthority
from services.common.rest_guard import RestSettings
from services.common.rest_server import serving
from services.common.roster import platform
from services.common.tls import CERTIFICATE_FILE, KEY_FILE, Transport
from services.registry.registry import Registry
from services.registry.routes import create_app
from tests.contract.security.conftest import touch_later


def issue(folder: Path, *names: str) -> None:
    for member in platform():
        if member.name in names:
            CertificateAuthority(folder).ensure(member.leaf())


def renew(folder: Path, name: str) -> None:
    (folder / name / CERTIFICATE_FILE).unlink()
    issue(folder, name)
    touch_later(folder / name / CERTIFICATE_FILE)


def serial_of(part: Path) -> int:
    return x509.load_pem_x509_certificate((part / CERTIFICATE_FILE).read_bytes()).serial_number


async def served_serial(port: int, context: ssl.SSLContext, *, name: str | None = "localhost") -> int:
    """Of the certificate that a new connection is met with."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    leaf = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(leaf).serial_number


@pytest.fixture
def folder(tmp_path) -> Path:
    issue(tmp_path / "certs", "ric", "registry", "manager")
    return tmp_path / "certs"


async def test_rest_presents_the_renewed_certificate(tmp_path, folder):
    part = folder / "registry"
    options = RestSettings(tls_dir=part).server_options()
    trusted = Transport(folder / "manager").trusted()
    nameless = ssl.create_default_context(cafile=str(part / "ca.crt"))
    nameless.check_hostname = False
    first = serial_of(part)
    async with (
        serving(create_app(Registry(tmp_path / "registry")), host="127.0.0.1", port=0, **options) as port,
        httpx.AsyncClient(trust_env=False, verify=trusted, base_url=f"https://localhost:{port}") as kept,
    ):
        assert (await kept.get("/openapi.json")).status_code == 200
        assert await served_serial(port, trusted) == first
        renew(folder, "registry")
        assert serial_of(part) != first
        assert await served_serial(port, trusted) == serial_of(part)
        assert await served_serial(port, nameless, name="") == serial_of(part), "a client that names no server"
        assert (await kept.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("broken", [CERTIFICATE_FILE, KEY_FILE])
async def test_rest_goes_on_with_what_held_while_files_are_half_written(tmp_path, folder, broken):
    part = folder / "registry"
    options = RestSettings(tls_dir=part).server_options()
    trusted = Transport(folder / "manager").trusted()
    first = serial_of(part)
    async with serving(create_app(Registry(tmp_path / "registry")), host="127.0.0.1", port=0, **options) as port:
        (part / broken).write_bytes((part / broken).read_bytes()[:100])
        touch_later(part / broken)
        assert await served_serial(port, trusted) == first
        renew(folder, "registry")
        assert await served_serial(port, trusted) == serial_of(part) != first


class Witness(health_pb2_grpc.HealthServicer):
    """Notes the serial number of the certificate that each call came with; `Watch` answers again at every `more`."""

    def __init__(self) -> None:
        self.serials: list[int] = []
        self.more = asyncio.Event()

    async def Check(self, request, context):
        self._note(context)
        return health_pb2.HealthCheckResponse()

    async def Watch(self, request, context) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        self._note(context)
        while True:
            yield health_pb2.HealthCheckResponse()
            await self.more.wait()
            self.more.clear()

    def _note(self, context) -> None:
        (pem,) = context.auth_context()["x509_pem_cert"]
        self.serials.append(x509.load_pem_x509_certificate(pem).serial_number)


@pytest.fixture
async def witnessed(folder):
    """A server as the RIC's, and its address."""
    server, witness = grpc.aio.server(), Witness()
    health_pb2_grpc.add_HealthServicer_to_server(witness, server)
    port = Transport(folder / "ric").bind(server, host="127.0.0.1", port=0)
    await server.start()
    yield witness, f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_lasting_channel_brings_the_renewed_certificate_and_keeps_its_calls(folder, witnessed):
    witness, address = witnessed
    request = health_pb2.HealthCheckRequest()
    first = serial_of(folder / "manager")
    async with Transport(folder / "manager").channel(address, peer="ric") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(request)
        await watch.read()
        await stub.Check(request, timeout=30)
        renew(folder, "manager")
        await stub.Check(request, timeout=30)
        await stub.Check(request, timeout=30)
        second = serial_of(folder / "manager")
        assert first != second
        assert witness.serials == [first, first, second, second]
        witness.more.set()
        async with asyncio.timeout(30):
            assert await watch.read() is not grpc.aio.EOF, "a call under way stays on the channel it began on"
    assert watch.cancelled(), "closing ends the calls on earlier channels, too"


async def test_a_lasting_channel_goes_on_with_what_held_while_files_are_half_written(folder, witnessed):
    witness, address = witnessed
    request = health_pb2.HealthCheckRequest()
    first = serial_of(folder / "manager")
    async with Transport(folder / "manager").channel(address, peer="ric") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        (folder / "manager" / KEY_FILE).write_bytes(b"-----BEGIN")
        touch_later(folder / "manager" / KEY_FILE)
        await stub.Check(request, timeout=30)
        renew(folder, "manager")
        await stub.Check(request, timeout=30)
    assert witness.serials == [first, serial_of(folder / "manager")]
