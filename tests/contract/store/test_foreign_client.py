"""The scripts themselves refuse what our clients never send, so no other client can corrupt a namespace."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import replace

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ric_sim.domain.reservation import CommitStatus
from ric_sim.network.admission import host_processing_us
from ric_sim.store import codec
from ric_sim.store.audit import audit
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Reply
from ric_sim.store.keys import StoreKeys
from ric_sim.store.redis_store import RedisStore
from ric_sim.store.scripts import load_script
from tests.contract.store.stores import CU, DU, LAYOUT, new_namespace, request


@pytest.fixture
def run(server, redis_store):
    """Runs a script of the store's namespace as any client may: `run(verb, *args)`."""
    keys = StoreKeys.of(redis_store.namespace)
    with redis.Redis.from_url(server.url) as client:

        def run_script(verb, *args):
            script = load_script(verb)
            return client.eval(script.source, script.n_keys, *keys.all[: script.n_keys], *args)

        yield run_script


def _packed(flow_id=b"flow-1", entries=(0, 30), hosts=(), route=(0,), **header):
    """A request as a careless client might pack it."""
    fields = {"service": 2, "expiry_ms": 1000, "budget_us": 5000, "propagation_us": 300}
    sizes = {"n_entries": len(entries) // 2, "n_hosts": len(hosts) // 3, "n_route": len(route)}
    fields, sizes = {**fields, **header}, {**sizes, **header}
    head = codec.REQUEST_HEADER.pack(
        len(flow_id),
        *(fields[name] for name in ("service", "expiry_ms", "budget_us", "propagation_us")),
        *(sizes[name] for name in ("n_entries", "n_hosts", "n_route")),
    )
    numbers = (*entries, *hosts, *route)
    return head + flow_id + struct.pack(f">{len(numbers)}I", *numbers)


def test_a_well_packed_request_is_taken(run, redis_store):
    assert _packed() == codec.encode_request(request(entries=((0, 30),), hosts=(), route=(0,)))
    assert run("commit", 0, _packed())[0] == Reply.OK
    assert redis_store.snapshot().version == 1


BAD_BLOBS = {
    "cut off in the header": _packed()[:10],
    "cut off in the body": _packed()[:-1],
    "one byte too many": _packed() + b"\0",
    "no flow id": _packed(flow_id=b""),
    "long flow id": _packed(flow_id=b"x" * 129),
    "flow id not ASCII": _packed(flow_id="flöw".encode()),
    "flow id with NUL": _packed(flow_id=b"a\0b"),
    "flow id with newline": _packed(flow_id=b"a\nb"),
    "flow id with DEL": _packed(flow_id=b"a\x7f"),
    "no entries": _packed(entries=()),
    "too many entries": _packed(entries=(0, 1) * 129),
    "more entries than there are": _packed(n_entries=9),
    "too many hosts": _packed(hosts=(DU, 1, 1) * 17),
    "too many links": _packed(route=(0,) * 65),
    "unknown resource": _packed(entries=(7, 1)),
    "huge resource": _packed(entries=(2**32 - 1, 1)),
    "zero amount": _packed(entries=(0, 0)),
    "resource twice": _packed(entries=(0, 1, 1, 1, 0, 1)),
    "host that is a link": _packed(hosts=(3, 1, 1)),
    "unknown host": _packed(hosts=(7, 1, 1)),
    "host without compute": _packed(hosts=(CU, 1, 0)),
    "inexact product": _packed(hosts=(DU, 2**32 - 1, 1)),
    "unknown link in the route": _packed(route=(4,)),
    "expiry beyond 2^53": _packed(expiry_ms=2**53),
    "expiry beyond 2^63": _packed(expiry_ms=2**64 - 1),
}


@pytest.mark.parametrize("blob", BAD_BLOBS.values(), ids=BAD_BLOBS.keys())
def test_a_bad_request_refuses_the_call_and_changes_nothing(run, redis_store, blob):
    big = replace(LAYOUT, limits=np.full(7, 2**32 - 1, dtype=np.uint32))
    redis_store.drop()
    redis_store.create(big)
    redis_store.commit([request("due", expiry_ms=5)], now_ms=0)
    before = redis_store.image()
    reply = run("commit", 10, _packed(b"good") + blob)
    assert reply[0] == Reply.INVALID
    assert b"request" in reply[1]
    assert _contents(redis_store.image()) == _contents(before)


def _contents(image):
    return {name: getattr(image, name) for name in type(image).__slots__}


BAD_TIMES = [b"", b"abc", b"-1", b"1.5", b"nan", b"inf", b"1e400", str(2**53).encode(), str(2**64).encode()]


@pytest.mark.parametrize("now", BAD_TIMES)
def test_a_bad_time_refuses_every_verb(run, redis_store, now):
    for verb, args in (("commit", [_packed()]), ("release", [0, "a"]), ("advance", []), ("snapshot", [])):
        reply = run(verb, now, *args)
        assert reply[0] == Reply.INVALID
        assert b"now_ms" in reply[1]
    assert redis_store.snapshot().version == 0


@pytest.mark.parametrize(
    "args",
    [
        (4, 3, "c0" * 32, b"\0" * 27),
        (0, 7, "c0" * 32, b"\0" * 28),
        (7, 0, "c0" * 32, b"\0" * 28),
        ("x", 3, "c0" * 32, b"\0" * 28),
        (4, 3, "c0" * 31, b"\0" * 28),
        (4, 3, "C0" * 32, b"\0" * 28),
    ],
)
def test_a_bad_layout_creates_nothing(run, redis_store, args):
    redis_store.drop()
    assert run("create", *args)[0] == Reply.INVALID
    assert run("advance", 0)[0] == Reply.NOT_CREATED


def test_random_bytes_never_harm(run, redis_store):
    rng = random.Random(7)
    whole = codec.encode_request(request("a")) + codec.encode_request(request("b", expiry_ms=7))
    for _ in range(400):
        blob = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            blob[rng.randrange(len(blob))] = rng.randrange(256)
        if rng.random() < 0.3:
            del blob[rng.randrange(len(blob)) :]
        assert run("commit", rng.randrange(20), bytes(blob))[0] in (Reply.OK, Reply.INVALID)
    report = audit(redis_store, LAYOUT)
    assert report.ok, report.violations


@pytest.mark.parametrize("n_flows", [1, 64, 400])
def test_a_script_takes_large_batches(run, n_flows):
    blob = b"".join(_packed(b"%04d" % i, entries=(0, 1), expiry_ms=5) for i in range(n_flows))
    outcomes = list(codec.OUTCOME.iter_unpack(run("commit", 0, blob)[1]))
    assert [outcome[0] for outcome in outcomes].count(CommitStatus.COMMITTED) == min(n_flows, 100)


MAX_U32 = 2**32 - 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    used=st.integers(1, MAX_U32),
    coefficient_ns=st.integers(0, MAX_U32),
    nominal_ucores=st.integers(1, MAX_U32),
    just_below=st.booleans(),
)
@example(used=MAX_U32, coefficient_ns=2**21, nominal_ucores=MAX_U32, just_below=False)
@example(used=MAX_U32, coefficient_ns=2**21, nominal_ucores=1, just_below=False)
@example(used=MAX_U32, coefficient_ns=2**21, nominal_ucores=7, just_below=True)
@example(used=2**32 - 3, coefficient_ns=0, nominal_ucores=2, just_below=True)
@example(used=2**26 - 3, coefficient_ns=0, nominal_ucores=44_000, just_below=True)
@example(used=49, coefficient_ns=1000, nominal_ucores=49, just_below=False)
@example(used=1, coefficient_ns=1, nominal_ucores=1, just_below=False)
@example(used=1, coefficient_ns=MAX_U32, nominal_ucores=MAX_U32, just_below=False)
def test_processing_in_lua_is_the_integer_division_of_python(server, used, coefficient_ns, nominal_ucores, just_below):
    divisor, largest = nominal_ucores * 1000, min((2**53 - 1) // used, MAX_U32)
    coefficient_ns = min(coefficient_ns, largest)
    if just_below and math.gcd(used, divisor) == 1:
        inverse = -pow(used, -1, divisor) % divisor  # used * coefficient = -1 modulo the divisor: hardest to round right
        if inverse <= largest:
            coefficient_ns = (largest - inverse) // divisor * divisor + inverse
    layout = StoreLayout(1, 1, np.array([MAX_U32, used], dtype=np.uint32), "ab" * 32)
    with RedisStore(server.url, new_namespace()) as store:
        store.create(layout)
        fill = request("fill", entries=((1, used),), hosts=(), route=())
        probe = request("probe", entries=((0, 1),), hosts=((1, coefficient_ns, nominal_ucores),), route=(), propagation_us=0)
        outcome = store.commit([fill, probe], now_ms=0)[1]
    assert outcome.latency_us == host_processing_us(used, coefficient_ns, nominal_ucores)
