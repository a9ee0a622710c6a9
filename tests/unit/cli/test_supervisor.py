import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ric_sim.domain.errors import DeploymentFailed, InvalidInput, RicUnreachable, StoreUnreachable
from services.cli.local.child import ChildState, ProcessSpec, ready_file_probe
from services.cli.local.runner import ProgramRunner
from services.cli.local.supervisor import Supervisor

READY = """
import json, os, signal, sys
part = sys.argv[1] + ".part"
open(part, "w").write(json.dumps({"pid": os.getpid(), "port": 7}))
os.replace(part, sys.argv[1])
"""
SERVE = READY + "signal.pause()\n"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "\nwhile True: signal.pause()\n"
DIE_AFTER_READY = READY + "sys.exit(4)\n"


def refuse(exit_code: int, code: str) -> str:
    line = json.dumps({"event": "process.failed", "code": code, "error": "the port is taken"})
    return f"import sys; print({line!r}); sys.exit({exit_code})"


class Bench:
    """A supervisor over small Python programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.supervisor = Supervisor(folder, folder / "pids.json", tell=self.lines.append, backoff_s=(0.0, 0.01))

    def spec(self, name: str, program: str, *, ends_by_itself: bool = False, ready_within_s: float = 30.0) -> ProcessSpec:
        ready_file = self.folder / f"{name}.ready"
        runner = ProgramRunner((sys.executable, "-S", "-c", program, str(ready_file)), {})
        return ProcessSpec(name, runner, ready_file_probe(ready_file), ready_within_s, ends_by_itself)

    def start(self, name: str, program: str, **options: bool | float) -> None:
        self.supervisor.start(self.spec(name, program, **options))  # type: ignore[arg-type]

    def pids(self) -> dict[str, int]:
        return json.loads((self.folder / "pids.json").read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.supervisor.stop(bench.supervisor.children, grace_s=0.1)


def eventually(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        time.sleep(0.02)


def exists(pid: int) -> bool:
    """Runs, and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_is_ready_once_it_says_so(bench: Bench) -> None:
    bench.start("ric", SERVE)
    bench.supervisor.wait_ready("ric")
    assert bench.supervisor.facts("ric")["port"] == 7
    assert bench.pids() == {"launcher": os.getpid(), "ric": bench.supervisor.children["ric"].pid}


def test_a_killed_process_is_started_again_and_counted(bench: Bench) -> None:
    bench.start("ric", SERVE)
    bench.supervisor.wait_ready("ric")
    first = bench.pids()["ric"]
    os.kill(first, signal.SIGKILL)
    bench.supervisor.wait(lambda: bool(bench.supervisor.restarts) and bench.supervisor.restarts[0].ready_unix_s is not None)
    (restart,) = bench.supervisor.restarts
    assert restart.name == "ric"
    assert restart.reason == "killed by SIGKILL"
    assert bench.pids()["ric"] != first
    assert bench.supervisor.children["ric"].state == ChildState.READY
    assert [line.split()[0:3] for line in bench.lines] == [["ric", "died", "(killed"], ["ric", "is", "back"]]


def test_restarts_are_bounded(bench: Bench) -> None:
    bench.start("xapp", DIE_AFTER_READY)
    with pytest.raises(DeploymentFailed, match=r"xapp died 3 times, last: exit code 4"):
        bench.supervisor.wait(lambda: False)
    assert bench.supervisor.children["xapp"].restarts == 2


@pytest.mark.parametrize(
    ("exit_code", "code", "error"),
    [
        (1, "internal", DeploymentFailed),
        (2, "unknown_key", InvalidInput),
        (3, "store_unreachable", StoreUnreachable),
        (3, "ric_unreachable", RicUnreachable),
    ],
)
def test_a_process_that_refuses_to_start_is_not_restarted(
    bench: Bench, exit_code: int, code: str, error: type[Exception]
) -> None:
    bench.start("ric", refuse(exit_code, code))
    with pytest.raises(error, match="ric did not start: the port is taken"):
        bench.supervisor.wait_ready("ric")
    assert bench.supervisor.children["ric"].restarts == 0


def test_a_crash_at_the_start_shows_the_last_line_of_the_log(bench: Bench) -> None:
    bench.start("ric", "raise OSError('no such luck')")
    with pytest.raises(DeploymentFailed, match="OSError: no such luck"):
        bench.supervisor.wait_ready("ric")


def test_a_process_that_never_gets_ready_fails(bench: Bench) -> None:
    bench.start("ric", "import signal; signal.pause()", ready_within_s=0.05)
    with pytest.raises(DeploymentFailed, match="ric is not ready after"):
        bench.supervisor.wait_ready("ric")


@pytest.mark.parametrize("program", [READY, "pass"])
def test_exit_code_0_of_a_process_with_an_end_is_its_end(bench: Bench, program: str) -> None:
    bench.start("nodes", program, ends_by_itself=True)
    bench.supervisor.wait(lambda: bench.supervisor.children["nodes"].state == ChildState.DONE)
    assert bench.supervisor.restarts == []
    assert set(bench.pids()) == {"launcher"}


def test_a_piece_of_work_that_breaks_off_is_not_begun_again(bench: Bench) -> None:
    bench.start("nodes", DIE_AFTER_READY, ends_by_itself=True)
    with pytest.raises(DeploymentFailed, match=r"nodes died \(exit code 4\) in the middle of its work"):
        bench.supervisor.wait(lambda: False)
    assert bench.supervisor.restarts == []


def test_exit_code_0_of_a_service_is_a_death(bench: Bench) -> None:
    bench.start("ric", READY)
    bench.supervisor.wait(lambda: bool(bench.supervisor.restarts))
    assert bench.supervisor.restarts[0].reason == "exit code 0"


def test_stop_ends_all_and_names_those_that_had_to_be_killed(bench: Bench) -> None:
    bench.start("ric", SERVE)
    bench.start("xapp", STUBBORN)
    bench.supervisor.wait_ready("ric", "xapp")
    pids = bench.pids()
    assert bench.supervisor.stop(["ric", "xapp"], grace_s=3.0) == ["xapp"]
    assert not exists(pids["ric"])
    assert not exists(pids["xapp"])
    assert set(bench.pids()) == {"launcher"}


def test_a_ready_file_of_an_earlier_process_does_not_count(bench: Bench) -> None:
    (bench.folder / "ric.ready").write_text(json.dumps({"pid": 1, "port": 9}))
    bench.start("ric", SERVE)
    bench.supervisor.wait_ready("ric")
    assert bench.supervisor.facts("ric")["port"] == 7


LAUNCHER = """
import sys
from pathlib import Path
from services.cli.local.child import ProcessSpec, ready_file_probe
from services.cli.local.runner import ProgramRunner
from services.cli.local.supervisor import Supervisor
folder = Path(sys.argv[1])
supervisor = Supervisor(folder, folder / "pids.json", tell=print)
ready = folder / "ric.ready"
runner = ProgramRunner((sys.executable, "-S", "-c", sys.argv[2], str(ready)), {})
supervisor.start(ProcessSpec("ric", runner, ready_file_probe(ready)))
supervisor.wait(lambda: False)
"""


def test_children_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path), SERVE])
    try:
        eventually((tmp_path / "ric.ready").exists)
        pid = json.loads((tmp_path / "ric.ready").read_text())["pid"]
        assert exists(pid)
    finally:
        launcher.kill()
        launcher.wait()
    eventually(lambda: not exists(pid))
