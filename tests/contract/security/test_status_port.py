"""Status ports with TLS: metrics and health for those who have an identity, and nothing at all for others."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from ric_sim.domain.errors import CertificateUnusable, InvalidInput, PartUnreachable
from services.cli.main import main
from services.common.certificates import STATUS_NAME
from services.common.settings import ProcessSettings
from services.common.status_port import StatusPort
from services.common.tls_context import MutualTls
from services.console.status_source import StatusSource
from tests.contract.security.conftest import touch_later

PATHS = ("/metrics", "/ric/v1/health/alive", "/ric/v1/health/ready")
PATIENCE_S = 10
PROBE = Path(__file__).resolve().parents[3] / "services" / "common" / "status-probe.sh"


class Process:
    """What a status port tells of."""

    ready = True


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def port(certs, process):
    status = StatusPort(ProcessSettings(tls_dir=certs / "nodes"), is_ready=lambda: process.ready)
    yield status.port
    status.close()


def ask(port, path, context):
    """Status and body of what answers with the certificate of the nodes."""
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as raw,
        context.wrap_socket(raw, server_hostname="nodes") as encrypted,
    ):
        encrypted.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = http.client.HTTPResponse(encrypted)
        answer.begin()
        return answer.status, answer.read()


def as_part(folder):
    return MutualTls(folder, serves=False).context()


@pytest.mark.parametrize("name", ["prometheus", "console", "routing-voip"])
def test_an_identity_is_answered(certs, port, name):
    answers = {path: ask(port, path, as_part(certs / name)) for path in PATHS}
    assert {status for status, _ in answers.values()} == {200}
    assert b"process_cpu_seconds_total" in answers["/metrics"][1]


@pytest.mark.parametrize("path", PATHS)
def test_no_identity_gets_no_answer(certs, other_certs, port, path):
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain, contextlib.suppress(ConnectionResetError):
        plain.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert plain.recv(1000)[:1] in (b"", b"\x15"), "expected no answer but TLS' alert"
    nobody = ssl.create_default_context(cafile=str(certs / "nodes" / "ca.crt"))
    stranger = ssl.create_default_context(cafile=str(certs / "nodes" / "ca.crt"))
    stranger.load_cert_chain(other_certs / "prometheus" / "tls.crt", other_certs / "prometheus" / "tls.key")
    for context in (nobody, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, path, context)


def test_who_does_not_shake_hands_keeps_nobody_waiting(certs, port):
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, PATHS[0], as_part(certs / "prometheus"))[0] == 200


def test_a_renewed_certificate_is_taken_up_and_a_damaged_one_is_not(certs, tmp_path):
    folder = shutil.copytree(certs / "nodes", tmp_path / "nodes")
    status = StatusPort(ProcessSettings(tls_dir=folder), is_ready=lambda: True)
    try:
        for name in ("tls.crt", "tls.key"):
            shutil.copy(certs / "radio" / name, folder / name)
            touch_later(folder / name)
        as_console = as_part(certs / "console")
        with pytest.raises(ssl.SSLCertVerificationError, match="nodes"):
            ask(status.port, PATHS[0], as_console)
        shutil.copy(certs / "nodes" / "tls.key", folder / "tls.key")
        touch_later(folder / "tls.key")
        with pytest.raises(ssl.SSLCertVerificationError, match="nodes"):
            ask(status.port, PATHS[0], as_console)
        shutil.copy(certs / "nodes" / "tls.crt", folder / "tls.crt")
        touch_later(folder / "tls.crt")
        assert ask(status.port, PATHS[0], as_console)[0] == 200
    finally:
        status.close()


async def test_the_console_takes_the_part_it_asked_for_only(certs, port, process):
    source = StatusSource(MutualTls(certs / "console", serves=False))
    address = f"127.0.0.1:{port}"
    assert await source.metrics_of("nodes", address, ["process_cpu_seconds_total"])
    assert await source.is_ready("nodes", address)
    process.ready = False
    assert not await source.is_ready("nodes", address)
    with pytest.raises(PartUnreachable, match="radio does not answer"):
        await source.is_ready("radio", address)
    with pytest.raises(PartUnreachable):
        await StatusSource().is_ready("nodes", address)


def probe(port, what, **environment):
    told = {"PATH": "/usr/bin:/bin", "RICITY_STATUS_PORT": str(port), **environment}
    return subprocess.run([PROBE, what], env=told, timeout=PATIENCE_S, check=False, capture_output=True).returncode


def test_the_health_check_of_containers_shows_the_parts_certificate(certs, other_certs, port, process):
    own = {"RICITY_TLS_DIR": str(certs / "nodes")}
    assert probe(port, "alive", **own) == 0
    assert probe(port, "ready", **own) == 0
    assert probe(port, "ready") != 0
    assert probe(port, "ready", RICITY_TLS_DIR=str(other_certs / "nodes")) != 0
    process.ready = False
    assert probe(port, "alive", **own) == 0
    assert probe(port, "ready", **own) != 0


def test_the_health_check_asks_in_plain_text_where_that_is_spoken():
    status = StatusPort(ProcessSettings(), is_ready=lambda: True)
    assert probe(status.port, "ready") == 0
    status.close()
    assert probe(status.port, "ready") != 0


def test_plain_text_stays_on_this_machine_unless_it_is_meant(certs, tmp_path):
    with pytest.raises(InvalidInput, match=r"refusing to serve metrics and health on 0\.0\.0\.0 without TLS"):
        StatusPort(ProcessSettings(host="0.0.0.0"), is_ready=lambda: True)
    with pytest.raises(CertificateUnusable):
        StatusPort(ProcessSettings(tls_dir=tmp_path), is_ready=lambda: True)
    StatusPort(ProcessSettings(host="0.0.0.0", insecure=True), is_ready=lambda: True).close()


def test_all_that_serve_answer_to_the_name_that_prometheus_asks_for(certs, capsys):
    assert main(["certs", "parts"]) == 0
    mere_clients = {"cli", "trainer", "grafana"}
    for name in set(capsys.readouterr().out.split()) - mere_clients:
        server, client = MutualTls(certs / name, serves=True).context(), as_part(certs / "prometheus")
        assert shaken(server, client, STATUS_NAME), name
    for name in mere_clients:
        with pytest.raises(ssl.SSLError):
            shaken(MutualTls(certs / name, serves=True).context(), as_part(certs / "prometheus"), STATUS_NAME)


def shaken(server, client, name):
    """Whether two ends come to terms, in memory."""
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(there, here, server_hostname=name), server.wrap_bio(here, there, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return all(end.version() for end in ends)
