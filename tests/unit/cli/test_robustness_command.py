import json

import pytest

from services.cli.main import main


def test_every_policy_on_every_disturbed_day(capsys):
    words = ["eval", "robustness", "--policy", "cspf,specialised", "--disturbance", "all", "--profile", "smoke", "--json"]
    assert main(words) == 0
    evaluations = json.loads(capsys.readouterr().out)["evaluations"]
    assert len(evaluations) == 8
    by_name = {(each["disturbance"], each["policy"]): each for each in evaluations}
    assert by_name["upf-iot-0 failed", "cspf"]["gos"] < by_name["undisturbed", "cspf"]["gos"]
    assert by_name["iot demand x 1.5", "cspf"]["requests"] > by_name["undisturbed", "cspf"]["requests"]


def test_people_get_one_table_per_disturbance(capsys):
    words = ["--policy", "cspf", "--disturbance", "demand,link", "--profile", "smoke", "--service", "voip", "--factor", "3"]
    assert main(["eval", "robustness", *words, "--line", "core-downtown:core-anjou"]) == 0
    text = capsys.readouterr().out
    assert "smoke, voip demand x 3: GoS %" in text
    assert "smoke, link core-downtown:core-anjou failed: GoS %" in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--disturbance", "flood"], "disturbance"),
        (["--disturbance", "link", "--line", "core-downtown"], "NODE:NODE"),
        (["--disturbance", "upf", "--upf", "upf-iot-9"], "upf-iot"),
        (["--policy", "cspff"], "cspf"),
    ],
)
def test_what_does_not_exist_is_refused(words, named, capsys):
    assert main(["eval", "robustness", "--profile", "smoke", *words, "--json"]) == 2
    assert named in json.loads(capsys.readouterr().out)["error"]["message"]
