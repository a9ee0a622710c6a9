import json

import pytest

from services.cli.main import main

SHORT = ["--decisions", "4", "--replicas", "2"]


def test_every_deployable_policy_and_the_oracle_beside_them(capsys):
    assert main(["eval", "slicing", "--policy", "all,oracle", *SHORT, "--json"]) == 0
    evaluations = json.loads(capsys.readouterr().out)["evaluations"]
    by_name = {each["policy"]: each for each in evaluations}
    assert {"equal-rr", "static", "need-tuned", "curve", "oracle", "learned"} <= set(by_name)
    assert by_name["oracle"]["reward"]["mean"] > by_name["need-tuned"]["reward"]["mean"] > by_name["equal-rr"]["reward"]["mean"]
    assert [row[:2] for row in by_name["need"]["by_replica"]] == [[901, 0], [901, 1]]


def test_a_single_evaluation_stands_at_the_top(capsys):
    words = ["--policy", "need", "--profile", "overload", "--seeds", "2", "--first-seed", "5", "--dus", "3"]
    assert main(["eval", "slicing", *words, *SHORT, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["policy"], document["profile"], document["seeds"], document["n_dus"]) == ("need", "overload", [5, 6], 3)
    assert (document["reward"]["n"], document["channel"]) == (4, "rayleigh")


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
        (["--channel", "raleigh"], "rayleigh"),
        (["--policy", "learned", "--weights", "/nowhere"], "du_0.safetensors"),
        (["--coupled", "--hours", "8"], "8-20"),
        (["--coupled", "--profile", "papr"], "paper"),
        (["--coupled", "--routing", "csfp"], "cspf"),
    ],
)
def test_what_does_not_exist_is_refused(words, named, capsys):
    assert main(["eval", "slicing", *SHORT, *words, "--json"]) == 2
    assert named in json.loads(capsys.readouterr().out)["error"]["message"]


def test_routing_and_slicing_in_one_city(tmp_path, capsys):
    words = ["--coupled", "--profile", "smoke", "--hours", "15-17", "--routing", "cspf,specialised"]
    sizes = ["--policy", "equal-pf,learned", "--replicas", "1", "--decisions", "8"]
    assert main(["eval", "slicing", *words, *sizes, "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "coupled.json").read_text()) == document
    assert (tmp_path / "coupled.png").read_bytes()[:4] == b"\x89PNG"
    assert [each["policy"] for each in document["routing"]] == ["cspf", "specialised"]
    assert document["hours"] == [15.25, 15.75, 16.25, 16.75]
    rows = {(each["routing"], each["slicing"], each["cells"]): each for each in document["evaluations"]}
    assert len(rows) == 8
    assert all(len(each["series"]["reward"]) == 4 for each in rows.values())
    assert rows["cspf", "learned", "by size"]["served_ratio"] > rows["cspf", "equal-pf", "by size"]["served_ratio"]


def test_people_see_both_halves_in_one_table(capsys):
    words = ["--coupled", "--profile", "smoke", "--hours", "16-17", "--routing", "cspf", "--policy", "need"]
    assert main(["eval", "slicing", *words, "--replicas", "1", "--decisions", "6"]) == 0
    text = capsys.readouterr().out
    assert "smoke, test day: routing and slicing in one city" in text
    assert text.count("need") == 2
