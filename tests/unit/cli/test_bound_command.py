import json

import pytest

from services.cli.main import main


def test_the_bound_stands_beside_policies_played_in_the_same_windows(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bound", "routing", "--profile", "smoke", "--hour", "16,16:02", "--minutes", "2", "--policy", "shortest,cspf"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (bound,) = told["bounds"]
    assert told["gos"] == bound["gos"]
    assert [window["window"] for window in bound["windows"]] == ["16:00-16:02", "16:02-16:04"]
    for policy in bound["policies"]:
        assert policy["requests"] == bound["requests"]
        for window, played in zip(bound["windows"], policy["windows"], strict=True):
            assert played["requests"] == window["requests"] > 20
            assert played["accepted"] <= window["accepted"]
    shortest, cspf = bound["policies"]
    assert shortest["gos"] < cspf["gos"] <= bound["gos"]


def test_people_get_a_table_with_a_row_per_window_and_one_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bound", "routing", "--profile", "smoke", "--hour", "16:01", "--minutes", "1", "--policy", "cspf"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("bound" in line and "cspf" in line and "complete" in line for line in lines)
    (window,) = (line for line in lines if "16:01-16:02" in line)
    (together,) = (line for line in lines if line.strip().startswith("all"))
    assert window.split()[1:4] == together.split()[1:4]


@pytest.mark.parametrize("hour", ["24", "7:60", "noon", "", "16,"])
def test_an_hour_that_is_none_is_refused(hour: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bound", "routing", "--hour", hour, "--json"]) == 2
    assert "expected a time of day" in json.loads(capsys.readouterr().out)["error"]["message"]
