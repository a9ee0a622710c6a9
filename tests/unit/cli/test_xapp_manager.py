"""`ricity xapp` with the manager: what is refused before it is asked, and descriptors with another image."""

import json

import pytest

from services.cli.main import main
from services.cli.xapp_manager import _container

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
