import json

import pytest

from services.cli.main import main

SHORT = ["--decisions", "4", "--replicas", "2"]


def test_every_deployable_policy_and_the_oracle_beside_them(capsys):
    assert main(["eval", "slicing", "--policy", "all,oracle", *SHORT, "--json"]) == 0
    evaluations = json.loads(capsys.readouterr().out)["evaluations"]
    by_name = {each["policy"]: each for each in evaluations}
    assert {"equal-rr", "static", "need-tuned", "curve", "oracle"} <= set(by_name)
    assert by_name["oracle"]["reward"]["mean"] > by_name["need-tuned"]["reward"]["mean"] > by_name["equal-rr"]["reward"]["mean"]
    assert [row[:2] for row in by_name["need"]["by_replica"]] == [[901, 0], [901, 1]]


def test_a_single_evaluation_stands_at_the_top(capsys):
    words = ["--policy", "need", "--profile", "overload", "--seeds", "2", "--first-seed", "5", "--dus", "3"]
    assert main(["eval", "slicing", *words, *SHORT, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["policy"], document["profile"], document["seeds"], document["n_dus"]) == ("need", "overload", [5, 6], 3)
    assert document["reward"]["n"] == 4


def test_people_get_one_table_per_profile(capsys):
    assert main(["eval", "slicing", "--policy", "need,equal-pf", "--profile", "nominal,permuted", *SHORT]) == 0
    text = capsys.readouterr().out
    assert "nominal: 1 x 2 episodes of 4 decisions, 6 O-DUs" in text
    assert "permuted: 1 x 2 episodes" in text
    assert text.count("equal-pf") == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--policy", "need-tune"], "need-tuned"),
        (["--profile", "nominall"], "nominal"),
        (["--dus", "11"], "2 to 10"),
        (["--seeds", "0"], "1 or more"),
        (["--decisions", "0"], "1 or more"),
        (["--replicas", "0"], "1 or more"),
    ],
)
def test_what_does_not_exist_is_refused(words, named, capsys):
    assert main(["eval", "slicing", *SHORT, *words, "--json"]) == 2
    assert named in json.loads(capsys.readouterr().out)["error"]["message"]
