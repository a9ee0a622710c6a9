import io
from pathlib import Path

import pytest
from rich.console import Console

from services.cli.local.child import Child, ChildState, ProcessSpec
from services.cli.local.runner import ProgramRunner
from services.cli.run_view import RunView, clock, states_line

PROGRESS = {"requests": 47_061, "settled": 1200, "accepted": 1180, "now_ms": 57_730_999, "wall_s": 2.0, "decisions_per_s": 600.0}


def child(name: str, state: ChildState, *, restarts: int = 0) -> Child:
    spec = ProcessSpec(name, ProgramRunner(("true",), {}), ready=lambda _pid: None)
    return Child(spec, Path("log"), state=state, restarts=restarts)


CHILDREN = [child("ric", ChildState.READY, restarts=1), child("nodes", ChildState.STARTING), child("planners", ChildState.DONE)]


@pytest.mark.parametrize(("emulated_ms", "shown"), [(0, "00:00:00"), (57_730_999, "16:02:10"), (86_400_000, "24:00:00")])
def test_the_emulated_clock(emulated_ms, shown):
    assert clock(emulated_ms) == shown


def test_states_name_every_process_that_matters():
    text = states_line(CHILDREN).plain
    assert text.split() == ["●", "ric", "(restarted", "1x)", "●", "nodes", "starting"]


def test_a_terminal_sees_the_day_go_on():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with RunView(console) as view:
        view.show(None, CHILDREN)
        view._due_s = 0.0
        view.show(PROGRESS, CHILDREN)
        view.tell("ric is back after 1.2 s")
    text = console.file.getvalue()
    for part in ("starting", "1,200 / 47,061", "16:02:10", "GoS 98.33 %", "600 decisions/s", "ric is back after 1.2 s"):
        assert part in text


def test_a_pipe_sees_the_lines_only():
    console = Console(file=io.StringIO(), force_terminal=False)
    with RunView(console) as view:
        view.show(PROGRESS, CHILDREN)
        view.tell("ric is back after 1.2 s")
    assert console.file.getvalue() == "ric is back after 1.2 s\n"
