"""The token file: what it takes and refuses."""

from __future__ import annotations

import pytest

from ric_sim.domain.errors import Conflict, MalformedFile, OutOfRange
from services.common.tokens import Role, TokenBook, create_token, load_tokens, revoke_token


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


def test_a_token_is_found_by_what_was_shown_and_by_nothing_else(file):
    bearer = create_token(file, "alice", Role.OPERATOR)
    book = TokenBook(file)
    assert book.find(bearer).name == "alice"
    for wrong in ("", bearer[:-1], bearer + "x", bearer.upper(), load_tokens(file)[0].sha256):
        assert book.find(wrong) is None


def test_tokens_are_never_alike(file):
    assert len({create_token(file, f"t{i}", Role.VIEWER) for i in range(20)}) == 20


def test_a_name_is_taken_once_and_free_again_when_revoked(file):
    create_token(file, "alice", Role.VIEWER)
    with pytest.raises(Conflict, match="revoke"):
        create_token(file, "alice", Role.VIEWER)
    assert revoke_token(file, "alice")
    assert not revoke_token(file, "alice")
    create_token(file, "alice", Role.OPERATOR)


@pytest.mark.parametrize("name", ["", "A", "a b", "x" * 65, "-a"])
def test_impossible_names(file, name):
    with pytest.raises(OutOfRange):
        create_token(file, name, Role.VIEWER)
    assert not file.exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"tokens": 3}',
        '{"tokens": [{"name": "a", "role": "viewer"}]}',
        '{"tokens": [{"name": "a", "role": "king", "sha256": "%s"}]}' % ("0" * 64),
        '{"tokens": [{"name": "a", "role": "viewer", "sha256": "short"}]}',
        '{"tokens": [{"name": "a", "role": "viewer", "sha256": 5}]}',
    ],
)
def test_a_file_that_is_none_is_refused(file, content):
    file.write_text(content)
    with pytest.raises(MalformedFile, match="expected"):
        load_tokens(file)
