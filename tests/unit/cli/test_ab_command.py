"""`ricity ab` before it reaches a manager."""

import json

import pytest

from services.cli.main import main

VERSIONS = ("--baseline", "0.1.0", "--candidate", "0.2.0")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["start", "routing-voip", *VERSIONS, "--manager", "http://127.0.0.1:1"], 3, "services.manager.main"),
        (["list", "--manager", "nonsense"], 2, "expected a URL"),
        (["start", "routing-voip", *VERSIONS, "--percent", "95"], 2, "--percent"),
        (["start", "routing-voip"], 2, "--baseline"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(capsys, words, code, message):
    assert main(["ab", *words, "--json"]) == code
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]
