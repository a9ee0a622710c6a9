"""One real server for the session; a new namespace for each test.

The server is the embedded one, or the one that RICITY_TEST_STORE_URL names: the same suite holds on Redis 7 and on Valkey.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from types import SimpleNamespace

import pytest

from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.memory_store import MemoryStore
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import LAYOUT, BlockingAsyncStore, new_namespace


@pytest.fixture(scope="session")
def server():
    """Anything with a `url`."""
    if url := os.environ.get("RICITY_TEST_STORE_URL"):
        yield SimpleNamespace(url=url)
        return
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def redis_store(server):
    with RedisStore(server.url, new_namespace()) as store:
        store.create(LAYOUT)
        yield store


@pytest.fixture(params=["redis", "async"])
def empty_remote_store(request, server):
    """A store on the server, its namespace not created."""
    kind = {"redis": RedisStore, "async": BlockingAsyncStore}[request.param]
    with closing(kind(server.url, new_namespace())) as store:
        yield store


@pytest.fixture
def remote_store(empty_remote_store):
    empty_remote_store.create(LAYOUT)
    return empty_remote_store


@pytest.fixture(params=["memory", "redis", "async"])
def empty_store(request, server):
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryStore()
        else:
            kind = RedisStore if request.param == "redis" else BlockingAsyncStore
            yield stack.enter_context(closing(kind(server.url, new_namespace())))


@pytest.fixture
def store(empty_store):
    empty_store.create(LAYOUT)
    return empty_store
