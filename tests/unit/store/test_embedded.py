"""The embedded server as a process: it starts, it ends, and it never outlives who started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from ric_sim.domain.errors import StoreUnreachable
from ric_sim.store import exec_with_parent
from ric_sim.store.embedded import EmbeddedServer
from tests.harness import lasting_port


def _is_alive(pid):
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def _answers(server):
    with redis.Redis.from_url(server.url) as client:
        return client.ping()


def _eventually(condition, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def test_a_temporary_store_leaves_nothing_behind():
    with EmbeddedServer() as server:
        directory, pid = server.log_path.parent, server.pid
        assert _answers(server)
        assert directory.exists()
    assert not _is_alive(pid)
    assert not directory.exists()
    server.close()


def test_only_its_user_may_connect_and_no_port_is_open():
    with EmbeddedServer() as server:
        assert Path(server.url.removeprefix("unix://")).stat().st_mode & 0o777 == 0o700
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.config_get("port", "appendonly") == {"port": "0", "appendonly": "no"}


def test_a_port_is_opened_on_the_loopback_only():
    unused_port = lasting_port()
    with EmbeddedServer(port=unused_port) as server, redis.Redis(port=unused_port, decode_responses=True) as client:
        assert client.ping()
        assert client.config_get("bind", "protected-mode") == {"bind": "127.0.0.1", "protected-mode": "yes"}
        assert server.url.startswith("unix://")


@pytest.mark.parametrize(("append_only", "kept"), [(None, b"1"), (True, b"1"), (False, None)])
def test_a_data_directory_keeps_its_content(tmp_path, append_only, kept):
    for expected in (None, kept):
        with EmbeddedServer(tmp_path / "data", append_only=append_only) as server, redis.Redis.from_url(server.url) as client:
            assert client.get("a") == expected
            client.set("a", "1")


def test_it_starts_again_at_the_same_url(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        url, first = server.url, server.pid
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(StoreUnreachable, match="not running"):
                _ = server.pid
            server.start()
        assert server.url == url
        assert server.pid != first
        assert _answers(server)


def test_a_directory_has_one_server(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        with pytest.raises(StoreUnreachable, match="already serves"):
            EmbeddedServer(tmp_path).start()
        with pytest.raises(StoreUnreachable, match="already runs"):
            server.start()


def test_a_deep_directory_gets_its_socket_elsewhere(tmp_path):
    deep = tmp_path / ("d" * 120)
    with EmbeddedServer(deep) as server:
        socket_path = Path(server.url.removeprefix("unix://"))
        assert _answers(server)
    assert not socket_path.parent.exists()
    assert (deep / "valkey.log").exists()


def test_a_server_that_does_not_start_says_why(tmp_path):
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("rubbish\n")
    with pytest.raises(StoreUnreachable, match=r"(?s)did not start.*AOF"):
        EmbeddedServer(tmp_path).start()


HOLDER = """
import sys, time
from pathlib import Path
from ric_sim.store.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_a_parent_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        pid = int(holder.stdout.readline())
        assert _is_alive(pid)
        os.kill(holder.pid, signal.SIGKILL)
    _eventually(lambda: not _is_alive(pid))


def test_ctrl_c_at_the_terminal_does_not_reach_it(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_a_program_whose_parent_is_gone_is_not_started(tmp_path):
    marker = tmp_path / "started"
    command = [sys.executable, "-I", "-S", exec_with_parent.__file__, "1", "/usr/bin/touch", str(marker)]
    assert subprocess.run(command, check=False).returncode == 1
    assert not marker.exists()
