"""`ricity a1` before it reaches a manager."""

import json

import pytest

from services.cli.main import main


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["list", "--manager", "http://127.0.0.1:1"], 3, "services.manager.main"),
        (["list", "--manager", "nonsense"], 2, "expected a URL"),
        (["put", "ORAN_QoSTarget", "p", "/nowhere/p.json"], 2, "cannot be read"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(capsys, words, code, message):
    assert main(["a1", *words, "--json"]) == code
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]
