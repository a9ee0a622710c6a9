"""The Lua files keep to their headers and to the enums of the Python side."""

import hashlib
import re

import pytest

from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import ChangeKind, CommitStatus
from ric_sim.store import codec, validation
from ric_sim.store.codec import Counters, Reply
from ric_sim.store.keys import StoreKeys
from ric_sim.store.scripts import LUA_DIR, load_script

VERBS = {path: path.stem.rpartition("-")[0] for path in sorted(LUA_DIR.glob("*.lua"))}
SHARED = sorted((LUA_DIR / "shared").glob("*.lua"))
REQUESTS = LUA_DIR / "shared" / "requests.lua"
KEY_NAMES = StoreKeys.__slots__
KEYS_OF = {"control": ("parameters", "conflicts", "conflict_counts")}
"""Of the scripts that take other keys than those of the resources."""


def _constants(path, prefix=""):
    return {name: int(value) for name, value in re.findall(rf"^local {prefix}(\w+) = (\d+)\b", path.read_text(), re.MULTILINE)}


def test_every_verb_is_a_file():
    assert set(VERBS.values()) == {"create", "commit", "preempt", "release", "advance", "snapshot", "control"}


@pytest.mark.parametrize("path", VERBS, ids=VERBS.get)
def test_a_header_is_the_contract(path):
    header = path.read_text().split("\n\n")[0]
    assert all(line.startswith("--") for line in header.splitlines())
    assert header.startswith(f"-- {path.stem}: ")
    for part in ("Purpose", "Guarantee", "KEYS", "ARGV", "Returns", "Units"):
        assert re.search(rf"^-- {part} ", header, re.MULTILINE), part
    keys = re.search(r"^-- KEYS +(.*)$", header, re.MULTILINE).group(1)
    numbered = [f"{number} {name}" for number, name in enumerate(KEYS_OF.get(VERBS[path], KEY_NAMES), 1)]
    assert keys.split(", ") == numbered[: load_script(VERBS[path]).n_keys]


@pytest.mark.parametrize("path", VERBS, ids=VERBS.get)
def test_a_script_uses_the_keys_and_arguments_it_declares(path):
    script = load_script(VERBS[path])
    used = {int(number) for number in re.findall(r"\bKEYS\[(\d)\]", script.source)}
    assert max(used) == script.n_keys or re.search(r"unpack\(KEYS", script.source)
    declared = re.search(r"^-- ARGV +(.*)$", script.source, re.MULTILINE).group(1)
    for number in re.findall(r"\bARGV\[(\d)\]", script.source):
        assert f"{number}" in declared


@pytest.mark.parametrize("path", VERBS, ids=VERBS.get)
def test_every_code_a_script_returns_is_documented_and_of_the_enum(path):
    text = path.read_text()
    header = text.split("\n\n")[0]
    if re.search(r"@include .*\brequests\b", header):
        text += REQUESTS.read_text()
    documented = {Reply(int(code)) for code in re.findall(r"^-- (?:Returns)? +\{(\d)", header, re.MULTILINE)}
    named = {Reply[name] for name in re.findall(r"\bREPLY_(\w+)", text)}
    through = {Reply.NOT_CREATED, Reply.INVALID, Reply.CORRUPT, Reply.WENT_BACK} if "open(ARGV[1], " in text else set()
    assert documented == named | through
    assert not re.search(r"return \{ \d", text), "return codes by name"


@pytest.mark.parametrize(("prefix", "enum"), [("REPLY_", Reply), ("STATUS_", CommitStatus), ("KIND_", ChangeKind)])
def test_codes_are_those_of_the_enum(prefix, enum):
    assert _constants(LUA_DIR / "shared" / "codes.lua", prefix) == {member.name: member.value for member in enum}


def test_causes_are_the_verdicts_of_a_commit():
    causes = _constants(LUA_DIR / "shared" / "codes.lua", "CAUSE_")
    assert causes == {cause.name: cause.value for cause in Cause if cause <= Cause.LATENCY_BUDGET}
    in_order = [f"aborted_{cause.label}" for cause in Cause if 1 <= cause <= Cause.LATENCY_BUDGET]
    assert list(Counters._fields[3:6]) == in_order, "the script counts causes from the third counter on"


def test_layouts_are_those_of_the_codec():
    path = LUA_DIR / "shared" / "layout.lua"
    constants, text = _constants(path), path.read_text()
    assert constants["FORMAT_VERSION"] == codec.FORMAT_VERSION
    assert constants["EXACT_INTEGERS"] == validation.MAX_EXACT + 1
    for name in ("STATE_HEADER", "REQUEST_HEADER", "COMMITTED_HEADER", "RECORD_HEADER"):
        struct = getattr(codec, name)
        lua_format = re.search(rf"local {name} = '(\S+)'", text).group(1)
        assert _expanded(struct.format) == lua_format
        assert constants.get(f"{name}_BYTES", struct.size) == struct.size
    commit = REQUESTS.read_text()
    assert f"local PRIORITIES = {2**codec.PRIORITY_SHIFT} " in commit
    assert f"local SPARES = {2**codec.SPARES_SHIFT} " in commit
    assert f"local OUTCOME = '{_expanded(codec.OUTCOME.format)}'" in commit


def _expanded(python_format):
    """`>BQ2I40s` as Lua's struct library writes it: `>BI8I4I4c40`."""
    codes = {"B": "B", "H": "I2", "I": "I4", "i": "i4", "Q": "I8"}
    parts = re.findall(r"(\d*)([a-zA-Z])", python_format)
    return ">" + "".join(f"c{count}" if code == "s" else codes[code] * int(count or 1) for count, code in parts)


def test_sizes_are_those_of_the_validation():
    commit = REQUESTS.read_text()
    sizes = [validation.MAX_FLOW_ID_CHARS, validation.MAX_ENTRIES, validation.MAX_HOSTS, validation.MAX_ROUTE_LINKS]
    assert f"local MAX_FLOW_ID_BYTES, MAX_ENTRIES, MAX_HOSTS, MAX_ROUTE_LINKS = {', '.join(map(str, sizes))}\n" in commit


def test_a_loaded_script_is_its_parts_in_front_of_the_file_under_its_hash():
    script = load_script("commit")
    assert script.n_keys == 7
    for part in SHARED:
        assert part.read_text() in script.source
    assert script.source.endswith((LUA_DIR / "commit-7.lua").read_text())
    assert script.sha1 == hashlib.sha1(script.source.encode()).hexdigest()


@pytest.mark.parametrize("path", [*VERBS, *SHARED], ids=lambda path: path.stem)
def test_lua_keeps_the_house_sizes_and_leaks_no_globals(path):
    text = path.read_text(encoding="ascii")
    assert text.count("\n") <= 300
    assert max(map(len, text.splitlines())) <= 130
    assert not re.findall(r"^\s*function ", text, re.MULTILINE), "functions are local: a script may make no globals"
