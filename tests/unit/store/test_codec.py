from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ric_sim.domain.errors import OutOfRange, StoreCorrupt
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import Change, ChangeKind, CommitOutcome, CommitRequest, CommitStatus
from ric_sim.store import codec

U32 = st.integers(0, 2**32 - 1)
REQUESTS = st.builds(
    CommitRequest,
    flow_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=128),
    service=st.integers(0, 2**16 - 1),
    expiry_ms=st.integers(0, 2**53 - 1),
    budget_us=U32,
    propagation_us=U32,
    entries=st.lists(st.tuples(U32, U32), max_size=20).map(tuple),
    hosts=st.lists(st.tuples(U32, U32, U32), max_size=4).map(tuple),
    route=st.lists(U32, max_size=20).map(tuple),
)
REQUEST = CommitRequest("flow-1", 2, 1000, 5000, 300, ((0, 30), (9, 1)), ((9, 4, 5),), (0, 3))


@given(REQUESTS)
def test_a_request_survives_the_wire(request):
    assert codec.decode_request(codec.encode_request(request)) == request


@given(REQUESTS, REQUESTS)
def test_requests_are_equal_if_and_only_if_their_bytes_are(one, other):
    assert (one == other) == (codec.encode_request(one) == codec.encode_request(other))


def test_a_request_has_the_documented_layout():
    header = bytes.fromhex("06 0002 00000000000003e8 00001388 0000012c 02 01 02")
    numbers = bytes.fromhex("00000000 0000001e 00000009 00000001 00000009 00000004 00000005 00000000 00000003")
    assert codec.encode_request(REQUEST) == header + b"flow-1" + numbers


def test_numpy_integers_are_integers():
    request = replace(REQUEST, entries=tuple((np.int64(r), np.uint32(a)) for r, a in REQUEST.entries), route=tuple(np.arange(2)))
    assert codec.encode_request(request) == codec.encode_request(replace(REQUEST, route=(0, 1)))


@pytest.mark.parametrize("changes", [{"entries": ((0, 1.0),)}, {"route": (2**32,)}, {"service": -1}, {"expiry_ms": None}])
def test_what_is_no_integer_of_its_field_is_out_of_range(changes):
    with pytest.raises(OutOfRange, match="flow-1"):
        codec.encode_request(replace(REQUEST, **changes))


@pytest.mark.parametrize("packed", [b"", codec.encode_request(REQUEST)[:-1], codec.encode_request(REQUEST) + b"\0", b"\xff" * 40])
def test_a_stored_request_that_is_none_is_corrupt(packed):
    with pytest.raises(StoreCorrupt):
        codec.decode_request(packed)


def test_a_stored_flow_id_that_is_no_text_is_corrupt():
    with pytest.raises(StoreCorrupt):
        codec.decode_request(codec.encode_request(REQUEST).replace(b"flow-1", b"flow-\xff"))


def test_outcomes_take_their_routes_from_the_request_or_from_the_holder():
    holder = replace(REQUEST, route=(7, 8))
    packed = b"".join(
        codec.OUTCOME.pack(*fields)
        for fields in [(1, 5, 310, 0, -1, 0, 0), (2, 3, 300, 0, -1, 0, 0), (3, 5, 0, 2, 9, 70, 80), (4, 2, 299, 0, -1, 0, 0)]
    )
    assert codec.decode_outcomes([REQUEST] * 4, packed, [codec.encode_request(holder)]) == [
        CommitOutcome("flow-1", CommitStatus.COMMITTED, 5, 310, route=(0, 3)),
        CommitOutcome("flow-1", CommitStatus.DUPLICATE, 3, 300, route=(0, 3)),
        CommitOutcome("flow-1", CommitStatus.ABORTED, 5, 0, Cause.COMPUTE_CAPACITY, 9, 70, 80),
        CommitOutcome("flow-1", CommitStatus.CONFLICT, 2, 299, route=(7, 8)),
    ]


def test_a_snapshot_is_read_out_of_the_state():
    header = codec.STATE_HEADER.pack(1, 1, 2**40, 2**50, b"ab" * 20, *range(8))
    snapshot = codec.decode_snapshot(header + bytes.fromhex("00000001 ffffffff"))
    assert (snapshot.version, snapshot.now_ms, snapshot.used.tolist()) == (2**40, 2**50, [1, 2**32 - 1])
    assert snapshot.used.dtype.isnative
    assert not snapshot.used.flags.writeable
    decoded = codec.decode_state_header(header)
    assert (decoded.chain, decoded.counters) == ("ab" * 20, codec.Counters(*range(8)))


@pytest.mark.parametrize(("state", "words"), [(b"\0" * 127, "127 bytes"), (b"\0\0\0\2" + b"\0" * 124, "format 2")])
def test_a_state_of_another_kind_is_corrupt(state, words):
    with pytest.raises(StoreCorrupt, match=words):
        codec.decode_state_header(state)


@given(st.lists(U32, max_size=50))
def test_amounts_survive_the_wire(amounts):
    array = np.array(amounts, dtype=np.uint32)
    assert codec.decode_amounts(codec.encode_amounts(array)).tolist() == amounts


def test_records_decode_to_changes():
    body = codec.RECORD_HEADER.pack(7, 2, 90, 310) + codec.encode_request(REQUEST)
    assert codec.decode_change(body) == Change(7, ChangeKind.RELEASE, 90, "flow-1", 2, 1000, 310, REQUEST.entries, (0, 3))
    create = codec.RECORD_HEADER.pack(0, 0, 0, 0) + codec.CREATE_BODY.pack(1, 1, b"c" * 64, b"d" * 40)
    assert codec.decode_change(create) == Change(0, ChangeKind.CREATE, 0, "", -1, 0, 0, (), ())


@pytest.mark.parametrize("body", [b"", b"\0" * 20, codec.RECORD_HEADER.pack(1, 9, 0, 0), codec.RECORD_HEADER.pack(1, 1, 0, 0)])
def test_a_record_that_is_none_is_corrupt(body):
    with pytest.raises(StoreCorrupt):
        codec.decode_change(body)


def test_a_committed_flow_decodes():
    assert codec.decode_committed(codec.COMMITTED_HEADER.pack(4, 310) + codec.encode_request(REQUEST)) == (4, 310, REQUEST)
