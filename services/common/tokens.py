"""Bearer tokens for REST: who holds which role. Only their SHA-256 is kept, in a file; a token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from ric_sim.domain.errors import Conflict, MalformedFile, OutOfRange

TOKEN_PREFIX = "ricity_"
"""So that scanners for leaked secrets, and our own logs' redaction, know one when they see it."""

_TOKEN_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"name", "role", "sha256"}


class Role(StrEnum):
    """What the holder of a token may do."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # look and change


@dataclass(frozen=True, slots=True)
class Token:
    """One entry of a token file."""

    name: str
    role: Role
    sha256: str


class TokenBook:
    """The tokens of a file, read again when it has changed: one that is taken out of it stops working at once."""

    def __init__(self, path: Path) -> None:
        """Raises `MalformedFile`."""
        self._path = path
        self._stamp = _stamp(path)
        self._tokens = load_tokens(path)

    def find(self, bearer: str) -> Token | None:
        """Whose token it is, None for nobody's. Takes the same time whoever it is.

        Raises:
            MalformedFile: the file was changed and cannot be used; nobody gets in until it is mended.
        """
        if (stamp := _stamp(self._path)) != self._stamp:
            self._tokens = load_tokens(self._path)
            self._stamp = stamp
        digest = digest_of(bearer)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def digest_of(bearer: str) -> str:
    """What is kept of a token; it has 256 random bits, so no salt and no slow hash is needed."""
    return hashlib.sha256(bearer.encode()).hexdigest()


def load_tokens(path: Path) -> tuple[Token, ...]:
    """The entries of a token file. Raises `MalformedFile`; the message shows no hash."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["tokens"]
        tokens = tuple(_token(entry) for entry in entries)
    except OSError as error:
        raise MalformedFile(f"{path}: {error.strerror}; `ricity token create --file {path}` makes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedFile(f'{path}: expected {{"tokens": [{{"name", "role", "sha256"}}, ...]}} ({error!r:.120})') from error
    return tokens


def create_token(path: Path, name: str, role: Role) -> str:
    """Makes a token and adds it to the file, which is made if it is not there; returns the token.

    Raises:
        OutOfRange: an impossible name. Conflict: the name is taken. MalformedFile: the file is no token file.
    """
    if not _NAME.fullmatch(name):
        raise OutOfRange(f"token name {name[:70]!r}: expected 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    held = load_tokens(path) if path.exists() else ()
    if any(token.name == name for token in held):
        raise Conflict(f"{path} has a token {name!r} already: revoke it first, or choose another name")
    bearer = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    _save(path, (*held, Token(name, role, digest_of(bearer))))
    return bearer


def revoke_token(path: Path, name: str) -> bool:
    """Takes a token out of the file; False if there is none of that name."""
    held = load_tokens(path)
    left = tuple(token for token in held if token.name != name)
    if len(left) < len(held):
        _save(path, left)
    return len(left) < len(held)


def _token(entry: dict[str, str]) -> Token:
    if set(entry) != _FIELDS or not _SHA256.fullmatch(entry["sha256"]):
        raise ValueError("an entry has name, role and sha256 (64 hex digits)")
    return Token(entry["name"], Role(entry["role"]), entry["sha256"])


def _save(path: Path, tokens: Iterable[Token]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    content = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=2) + "\n"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    part.replace(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
