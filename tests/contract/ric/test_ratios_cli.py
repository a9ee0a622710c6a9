"""`ricity conflict ratios` and `set` against a real RIC."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime

import pytest

from services.cli.main import main
from tests.harness import ric_on_embedded_store

LONG_MS = 600_000


@pytest.fixture
async def ric():
    async with ric_on_embedded_store(control_priorities={"slice-guard": 5}) as running:
        yield running


@pytest.fixture
def run(ric, capsys):
    """Runs `ricity conflict ...`; gives the exit code and what was printed, read as JSON if that was asked for."""

    async def conflict(*words, as_json=True):
        capsys.readouterr()
        arguments = ["conflict", *map(str, words), "--ric", f"127.0.0.1:{ric.grpc_port}", *(["--json"] if as_json else [])]
        code = await asyncio.to_thread(main, arguments)
        printed = capsys.readouterr().out
        return code, json.loads(printed) if as_json else printed

    return conflict


def setting(xapp, minimum, *more, slice_key="embb"):
    return ["set", "du_3", "--slice", slice_key, "--xapp", xapp, "--min", minimum, "--hold-ms", LONG_MS, *more]


async def test_what_is_set_is_listed_with_who_and_until_when(run):
    assert await run("ratios") == (0, {"ratios": []})
    before_ms = time.time() * 1000
    code, done = await run(*setting("one", 20, "--max", 80, "--dedicated", 10))
    assert (code, done) == (0, {"applied": True, "version": 1, "conflict": None})
    rows = (await run("ratios"))[1]["ratios"]
    embb, mmtc, _urllc = rows
    assert [row["slice"] for row in rows] == ["embb", "mmtc", "urllc"]
    assert (embb["ran_name"], embb["dedicated"], embb["min"], embb["max"]) == ("du_3", 10, 20, 80)
    (holder,) = embb["set_by"]
    assert (holder["xapp_name"], holder["priority"]) == ("one", 0)
    assert datetime.fromisoformat(holder["held_until"]).timestamp() * 1000 > before_ms + LONG_MS - 1000
    assert (mmtc["min"], mmtc["max"], mmtc["set_by"]) == (0, 100, [])
    table = (await run("ratios", as_json=False))[1]
    assert all(word in table for word in ("du_3", "held until", "one", holder["held_until"][:10]))


async def test_who_comes_second_is_told_who_holds_it(run):
    await run(*setting("one", 20))
    code, done = await run(*setting("two", 30))
    conflict = done["conflict"]
    assert (code, done["applied"]) == (1, False)
    assert (conflict["kind"], conflict["parameter"]) == ("direct", "du_3/embb.min")
    assert (conflict["winner"], conflict["loser"]) == ("one", "two")
    code, told = await run(*setting("two", 30), as_json=False)
    assert code == 1
    assert "du_3/embb: refused" in told
    assert "one before two (held at 20 by one" in told


async def test_a_higher_priority_takes_over_and_tells_from_whom(run):
    await run(*setting("one", 20))
    code, done = await run(*setting("slice-guard", 30))
    assert (code, done["applied"], done["conflict"]["loser"]) == (0, True, "one")
    (holder,) = (await run("ratios"))[1]["ratios"][0]["set_by"]
    assert (holder["xapp_name"], holder["priority"]) == ("slice-guard", 5)


async def test_a_rule_that_is_broken_wins(run):
    code, done = await run(*setting("one", 20, "--dedicated", 30))
    assert (code, done["applied"]) == (1, False)
    assert (done["conflict"]["winner"], done["conflict"]["loser"]) == ("RRMPolicyRatio", "one")
    assert "dedicated <= min <= max" in done["conflict"]["reason"]
    assert (await run("ratios"))[1] == {"ratios": []}


async def test_who_sets_the_same_for_a_millisecond_lets_go(run):
    await run(*setting("one", 20))
    assert (await run(*setting("one", 20, "--hold-ms", 1)))[0] == 0
    assert (await run(*setting("two", 30)))[0] == 0


async def test_what_makes_no_sense_is_no_conflict(run):
    code, answer = await run(*setting("one", 20, slice_key="video"))
    assert (code, answer["error"]["code"]) == (2, "invalid_input")
    assert "urllc" in answer["error"]["message"]
