import io
import json
import signal
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from ric_sim.domain.errors import InvalidInput, NotFound, RicUnreachable
from services.cli.main import main
from services.cli.watching import Pace, View, follow, present

AWAY = RicUnreachable("nobody answers")
WATCHED = [
    "xapp list", "xapp catalogue", "xapp rollouts", "model list", "ab list", "a1 list", "a1 status T ID", "conflict counts",
    "conflict ratios", "e2 subscriptions",
]  # fmt: skip


def pace(count: int = 0) -> Pace:
    return Pace(watch=True, every_s=0.1, count=count)


def looks(*moments):
    """A look per moment: a number that is seen, or an error; a look too many is a Ctrl-C."""
    rest = iter(moments)

    def look() -> View:
        moment = next(rest, KeyboardInterrupt())
        if isinstance(moment, BaseException):
            raise moment
        return View({"n": moment}, lambda: Text(f"n is {moment}"))

    return look


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_without_watch_there_is_one_look(capsys):
    present(looks(1), Pace(watch=False), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"n": 1}


def test_a_line_for_the_first_view_and_each_that_differs_until_ctrl_c(capsys):
    present(looks(1, 1, 2, 2, 1), pace(), as_json=True)
    assert capsys.readouterr().out == '{"n":1}\n{"n":2}\n{"n":1}\n'


def test_it_ends_after_so_many_views(capsys):
    follow(looks(1, 1, 2), pace(count=2), as_json=True)
    assert capsys.readouterr().out == '{"n":1}\n{"n":2}\n'


def test_without_a_terminal_people_get_one_view_after_the_other():
    screen = Console(file=io.StringIO(), width=80)
    follow(looks(1, 2), pace(count=2), as_json=False, screen=screen)
    assert screen.file.getvalue() == "n is 1\nn is 2\n"


def test_a_peer_that_goes_away_is_told_once_and_waited_for(capsys):
    present(looks(1, AWAY, AWAY, 1, AWAY, 2), pace(), as_json=True)
    captured = capsys.readouterr()
    assert captured.out == '{"n":1}\n{"n":2}\n'
    assert captured.err.splitlines() == ["nobody answers; waiting", "it answers again"] * 2


def test_a_peer_that_never_answered_is_an_error():
    with pytest.raises(RicUnreachable):
        present(looks(AWAY), pace(), as_json=True)


def test_other_errors_end_it(capsys):
    with pytest.raises(NotFound):
        present(looks(1, NotFound("no such policy")), pace(), as_json=True)


def test_a_terminal_sees_each_view_in_the_place_of_the_last():
    screen = terminal()
    follow(looks(1, AWAY, 1, 2), pace(count=2), as_json=False, screen=screen)
    text = screen.file.getvalue()
    assert [part for part in ("n is 1", "nobody answers; waiting", "n is 2") if part in text] == [
        "n is 1",
        "nobody answers; waiting",
        "n is 2",
    ]
    assert text.count("n is 1") == 3, "shown, shown with the message below, and shown without it"
    assert text.count("\x1b[2K") >= 4, "each time what was there is erased, at the end, too"


@pytest.mark.parametrize(("every_s", "count"), [(0.0, 0), (float("nan"), 0), (float("inf"), 0), (1.0, -1)])
def test_a_pace_that_cannot_be(every_s, count):
    with pytest.raises(InvalidInput, match="expected"):
        Pace(watch=True, every_s=every_s, count=count)


@pytest.mark.parametrize("words", WATCHED)
def test_every_such_command_says_how_and_refuses_a_wrong_count(words, capsys):
    group, command, *arguments = words.split()
    assert main([group, command, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.startswith(f"ricity {group} {command} ") and "--watch" in line], "an example"
    assert main([group, command, *arguments, "--watch", "--count", "-1"]) == 2
    assert "--count -1" in capsys.readouterr().err


def test_ctrl_c_ends_the_process_well(tmp_path):
    words = ["model", "list", "--registry", str(tmp_path), "--watch", "--json"]
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a CI runner may ignore it
        f"from services.cli.main import main; sys.exit(main({words!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline()) == {"models": []}
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
