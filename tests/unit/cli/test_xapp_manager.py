"""`ricity xapp` with the manager: what is refused before it is asked, and descriptors with another image."""

import json

import pytest

from services.cli.main import main
from services.cli.xapp_manager import _container, _hindrances
from services.cli.xapp_rollouts import _rollout_text

NOBODY = ["--manager", "http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["catalogue", *NOBODY], 3, "services.manager.main"),
        (["rollouts", *NOBODY], 3, "services.manager.main"),
        (["onboard", "/nowhere/xapp.yaml", *NOBODY], 2, "cannot be read"),
        (["onboard", "pyproject.toml", *NOBODY], 2, "cannot be read as YAML"),
        (["onboard", "xapps/routing/xapp.yaml", "--env", "RICITY_POLICY", *NOBODY], 2, "expected NAME=VALUE"),
        (["config", "a", "RICITY_POLICY", *NOBODY], 2, "expected NAME=VALUE"),
        (["upgrade", "a", "--to", "1.0.0", "--weights", "ten", *NOBODY], 2, "rising numbers"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(capsys, words, code, message):
    assert main(["xapp", *words, "--json"]) == code
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    ("image", "registry", "name", "tag"),
    [
        ("ricity:dev", "", "ricity", "dev"),
        ("localhost:5000/xapps/ts", "localhost:5000", "xapps/ts", "latest"),
        ("nexus.o-ran.org:10002/o-ran-sc/ts:1.2", "nexus.o-ran.org:10002", "o-ran-sc/ts", "1.2"),
        ("team/ts:3", "", "team/ts", "3"),
    ],
)
def test_image_names(image, registry, name, tag):
    assert _container({"xapp_name": "routing-{service}"}, image) == {
        "name": "routing",
        "image": {"registry": registry, "name": name, "tag": tag},
    }


ROLLOUT = {"xapp": "a", "from": "1.0.0", "to": "2.0.0", "state": "succeeded", "duration_s": 9.0, "reason": ""}
ROLLOUT |= {"requests": 1200, "lost": 0, "doubled": 0, "waits_for": "", "waited_s": 0.0}


@pytest.mark.parametrize(
    ("change", "first_line"),
    [
        ({}, "a 1.0.0 -> 2.0.0: succeeded after 9.0 s"),
        ({"waited_s": 4.0}, "a 1.0.0 -> 2.0.0: succeeded after 9.0 s, 4.0 s of it without the driver"),
        (
            {"state": "running", "waits_for": "gone", "waited_s": 4.0, "reason": "an operator asked for it"},
            "a 1.0.0 -> 2.0.0: running after 9.0 s, 4.0 s of it without the driver: "
            "an operator asked for it; waits for the driver, then goes on: gone",
        ),
    ],
)
def test_a_rollout_says_what_it_waits_for(change, first_line):
    assert _rollout_text(ROLLOUT | change).splitlines() == [first_line, "1,200 requests meanwhile, 0 lost, 0 doubled"]


def test_what_hinders_an_xapp():
    versions = [{"version": "1.0.0", "reason": ""}, {"version": "2.0.0", "reason": "no such image"}]
    found = {"driver": {"name": "docker", "answers": True, "reason": ""}, "xapps": [{"name": "a", "versions": versions}]}
    assert _hindrances(found, "a") == ["a 2.0.0: no such image"]
    assert _hindrances(found, "b") == []
    found["driver"] = {"name": "docker", "answers": False, "reason": "gone"}
    assert _hindrances(found, "a") == ["the driver docker does not answer: gone", "a 2.0.0: no such image"]
