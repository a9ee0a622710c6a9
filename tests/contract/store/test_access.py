"""Opening a store for real: a password from a file, TLS with certificates, a server that takes no writes."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import closing

import pytest
import redis

from ric_sim.domain.errors import StoreUnreachable, StoreWentBack
from ric_sim.domain.reservation import CommitStatus
from ric_sim.e2.scopes import PeerIdentity
from ric_sim.store.access import StoreAccess
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore
from services.common.certificates import CertificateAuthority, Leaf
from tests.contract.store.stores import LAYOUT, BlockingAsyncStore, new_namespace, request


@pytest.fixture(params=[RedisStore, BlockingAsyncStore])
def kind(request):
    return request.param


@pytest.fixture
def own_server():
    """One whose settings a test may change."""
    with EmbeddedServer() as running:
        yield running


def test_a_password_from_a_file_may_change_while_the_store_is_open(kind, own_server, tmp_path):
    path = tmp_path / "password"
    with redis.Redis.from_url(own_server.url) as admin:
        for password in ("first", "second"):
            path.write_text(password + "\n")
            admin.config_set("requirepass", password)
            with closing(kind(StoreAccess(own_server.url, path), "run-1", patience_s=0)) as store:
                store.create(LAYOUT)
        path.write_text("wrong")
        with closing(kind(StoreAccess(own_server.url, path), "run-1", patience_s=0)) as store:
            with pytest.raises(StoreUnreachable):
                store.snapshot()
            path.write_text("second")
            assert store.snapshot().version == 0
        with closing(kind(StoreAccess(own_server.url, path), "run-1", patience_s=0.05)) as store:
            assert store.snapshot().version == 0
            path.unlink()
            admin.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "yes")
            with pytest.raises(StoreUnreachable, match="password file"):
                store.snapshot()


def test_tls_shows_our_certificate_and_trusts_our_ca_only(kind, own_server, tmp_path):
    for authority in (CertificateAuthority(tmp_path / "ours"), CertificateAuthority(tmp_path / "others")):
        authority.ensure(Leaf(PeerIdentity("part", "store"), serves=True))
        authority.ensure(Leaf(PeerIdentity("part", "ric")))
    with TlsFront(own_server.url.removeprefix("unix://"), tmp_path / "ours" / "store") as port:
        url = f"rediss://localhost:{port}/0"
        with closing(kind(StoreAccess(url, tls_dir=tmp_path / "ours" / "ric"), "run-1", patience_s=0)) as store:
            store.create(LAYOUT)
            assert store.commit([request("a")], now_ms=0)[0].status == CommitStatus.COMMITTED
        only_ca = f"{url}?ssl_ca_certs={tmp_path / 'ours' / 'store' / 'ca.crt'}"
        for refused in (StoreAccess(url, tls_dir=tmp_path / "others" / "ric"), StoreAccess(url), StoreAccess(only_ca)):
            with closing(kind(refused, "x", patience_s=0)) as store, pytest.raises(StoreUnreachable):
                store.snapshot()


def test_a_commit_for_a_later_version_than_the_store_has_is_refused(kind, server):
    with closing(kind(server.url, new_namespace())) as store:
        store.create(LAYOUT)
        assert store.commit([request("a")], now_ms=0, at_least=0)[0].version == 1
        assert store.commit([request("b")], now_ms=0, at_least=1)[0].version == 2
        for displacing in (0, 1):
            with pytest.raises(StoreWentBack, match="version 2"):
                store.commit([request("c", priority=displacing)], now_ms=2000, at_least=3)
        assert (store.snapshot().version, store.snapshot().now_ms) == (2, 0)
        assert store.lookup("c") is None


def test_a_server_that_wants_replicas_it_has_not_takes_no_commit_and_changes_nothing(kind, own_server):
    with redis.Redis.from_url(own_server.url) as admin, closing(kind(own_server.url, "run-1", patience_s=0)) as store:
        store.create(LAYOUT)
        store.check_writable()
        admin.config_set("min-replicas-to-write", 1)
        with pytest.raises(StoreUnreachable, match="NOREPLICAS"):
            store.commit([request("a")], now_ms=0)
        with pytest.raises(StoreUnreachable, match="NOREPLICAS"):
            store.check_writable()
        assert store.snapshot().version == 0
        admin.config_set("min-replicas-to-write", 0)
        store.check_writable()
        assert store.commit([request("a")], now_ms=0)[0].status == CommitStatus.COMMITTED


class TlsFront:
    """Mutual TLS in front of the server at a UNIX socket, which itself was built without; its port while it runs."""

    def __init__(self, socket_path, folder):
        self._socket_path = socket_path
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        starting = asyncio.start_server(self._forward, "localhost", 0, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return self._server.sockets[0].getsockname()[1]

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _forward(self, reader, writer):
        to_server = await asyncio.open_unix_connection(self._socket_path)
        await asyncio.gather(_pump(reader, to_server[1]), _pump(to_server[0], writer))


async def _pump(reader, writer):
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.close()
