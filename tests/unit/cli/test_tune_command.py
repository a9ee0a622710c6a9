from __future__ import annotations

import json
from pathlib import Path

import pytest

from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy
from services.cli.main import main

_QUICK = ["tune", "priced", "--profile", "smoke", "--generations", "2", "--population", "4", "--days", "1", "--load", "1.6"]


def test_the_numbers_are_printed_written_and_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "priced.json"
    other = {"numbers": {"ar": {"near_du_ms": 1.0}}}
    out.write_text(json.dumps({"profiles": {"paper": other, "smoke": other}}))
    assert main([*_QUICK, "--seed", "9", "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["profiles"]
    assert json.loads(out.read_text())["profiles"] == {"paper": other, **printed}
    assert list(printed) == ["smoke"]
    found = printed["smoke"]["found"]
    assert found["command"].startswith("ricity tune priced ")
    for words in ("--seed 9", "--generations 2", "--population 4", "--days 1", "--load 1.6", "--profile smoke"):
        assert words in found["command"]
    assert found["evaluations"] == 2 * 4 + 2
    make_policy("priced", build_city("smoke"), numbers=printed["smoke"]["numbers"])


def test_people_see_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_QUICK) == 0
    captured = capsys.readouterr()
    assert "smoke: GoS" in captured.out
    assert "near_du_ms" in captured.out
    assert "voip" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--day", "test"], "not for tuning"),
        (["--profile", "papr"], "did you mean 'paper'"),
        (["--population", "2"], "expected at least 1 of at least 4"),
        (["--days", "0"], "expected 1 to 100 days"),
        (["--out", "/no/such/folder/priced.json"], "cannot be written"),
    ],
)
def test_unusable_input_is_told_before_the_search(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "priced", *words, "--json"]) == 2
    assert says in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"profiles": []}', '{"profiles"'])
def test_a_file_of_something_else_is_left_alone(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "notes.json"
    out.write_text(content)
    assert main(["tune", "priced", "--out", str(out), "--json"]) == 2
    assert "holds no tuned prices" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert out.read_text() == content
