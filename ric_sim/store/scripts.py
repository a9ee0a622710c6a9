"""The Lua files of the store: one file a verb, `<verb>-<number of keys>.lua`, with the parts they share put in front."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LUA_DIR = Path(__file__).parent / "lua"
_INCLUDE = "-- @include "


@dataclass(frozen=True, slots=True)
class Script:
    """A script as the server runs it; `sha1` is the name the server caches it under."""

    verb: str
    n_keys: int
    source: str
    sha1: str


@cache
def load_script(verb: str) -> Script:
    """The script of a verb (create, commit, preempt, release, advance or snapshot) with its `-- @include` line resolved."""
    (path,) = LUA_DIR.glob(f"{verb}-*.lua")
    text = path.read_text(encoding="ascii")
    parts = [(LUA_DIR / "shared" / f"{name}.lua").read_text(encoding="ascii") for name in _includes(text)]
    source = "\n".join([*parts, text])
    n_keys = int(path.stem.rpartition("-")[2])
    return Script(verb, n_keys, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _includes(text: str) -> list[str]:
    """Names on the include line, in order; shared parts are plain Lua locals, so order matters."""
    return [name for line in text.splitlines() if line.startswith(_INCLUDE) for name in line.removeprefix(_INCLUDE).split()]
