"""One compose project under test: up, looked at from outside, broken on purpose, and always taken down again."""

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import grpc

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]
FREE_PORTS = {f"{part}_PORT": "0" for part in ("RIC", "PROMETHEUS", "GRAFANA", "MANAGER", "REGISTRY", "CONSOLE")}
COMMAND_TIMEOUT_S = 300
ROUTING_XAPPS = tuple(f"routing-{service}" for service in ("ar", "gaming", "industry", "iot", "video", "voip"))
ROUTING_HALF = ("ric", "nodes", *ROUTING_XAPPS)
"""Services of a deployment that only decides requests."""
_PAUSE = threading.Event()
_NOT_YET = (AssertionError, OSError, KeyError, ValueError, grpc.RpcError, http.client.HTTPException, subprocess.TimeoutExpired)
"""What a look may meet while containers come and go."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def command(*words, env=None, stdin=None, timeout_s=COMMAND_TIMEOUT_S):
    """Runs a program in the project's folder; returns its stdout, raises with both outputs when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")} | (env or {})
    done = subprocess.run(
        words, cwd=ROOT, env=environment, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def eventually(look, *, within_s, every_s=0.1):
    """What `look` returns as soon as it is true; an assertion that still fails at the end is raised."""
    end_s = time.monotonic() + within_s
    while True:
        try:
            if found := look():
                return found
            failure = AssertionError(f"{look} was still {found!r} after {within_s} s")
        except _NOT_YET as error:
            failure = error
        if time.monotonic() > end_s:
            raise failure
        _PAUSE.wait(every_s)


class Stack:
    """`docker compose` with a project name and ports of its own."""

    def __init__(self, *, files=("docker-compose.yml",), **settings):
        """`settings` are the variables that docker-compose.yml takes, e.g. PROFILE."""
        self.project = f"ricity-test-{uuid.uuid4().hex[:8]}"
        self._files = [word for file in files for word in ("-f", str(file))]
        self._env = {**FREE_PORTS, **settings}
        self._addresses = {}

    def compose(self, *words, stdin=None, timeout_s=COMMAND_TIMEOUT_S):
        line = ("docker", "compose", *self._files, "-p", self.project, *words)
        return command(*line, env=self._env, stdin=stdin, timeout_s=timeout_s)

    def up(self, *services):
        self.compose("up", "-d", "--wait", "--wait-timeout", "180", *services)

    def down(self):
        self.compose("--profile", "tools", "down", "--volumes", "--remove-orphans", "--timeout", "0")

    def ricity(self, *words):
        """The JSON that a command line beside the deployment prints."""
        return json.loads(self.compose("run", "--rm", "-T", "cli", "ricity", *words, "--json"))

    def rows(self):
        """`docker inspect` of every container; once more if one goes between the list and the look."""

        def look():
            return json.loads(command("docker", "inspect", *self.compose("ps", "--all", "--quiet").split()))

        return eventually(look, within_s=20)

    def containers(self):
        """`docker inspect` of every container, by service."""
        return {row["Config"]["Labels"]["com.docker.compose.service"]: row for row in self.rows()}

    def container(self, service):
        return self.containers()[service]

    def address(self, service, port):
        """host:port on this machine of a published port; no test starts a container that has one again."""
        if (service, port) not in self._addresses:
            self._addresses[service, port] = self.compose("port", service, str(port)).strip()
        return self._addresses[service, port]

    def get(self, service, port, path):
        with urllib.request.urlopen(f"http://{self.address(service, port)}{path}", timeout=30) as answer:
            return json.load(answer)

    def kill_9(self, service):
        """Ends the main process of a container as a crash would: from outside, without a word to Docker."""
        os.kill(self.container(service)["State"]["Pid"], signal.SIGKILL)

    def cut_off(self, service):
        """Takes the container off the network that it shares with the RIC."""
        command("docker", "network", "disconnect", f"{self.project}_default", self.container(service)["Id"])

    def put_back(self, service):
        command("docker", "network", "connect", "--alias", service, f"{self.project}_default", self.container(service)["Id"])

    def admin(self):
        """A stub of the RIC's admin service; close the channel that comes with it."""
        channel = grpc.insecure_channel(self.address("ric", 50051))
        return admin_pb2_grpc.E2AdminServiceStub(channel), channel

    def metrics(self, service):
        """The text of a part's /metrics, asked for at its container's own address (without TLS)."""
        shown = f'{{{{(index .NetworkSettings.Networks "{self.project}_default").IPAddress}}}}'
        address = command("docker", "inspect", "--format", shown, f"{self.project}-{service}-1").strip()
        with _DIRECT.open(f"http://{address}:9100/metrics", timeout=30) as answer:
            return answer.read().decode()

    def prometheus(self, path, **parameters):
        """`data` of an answer of Prometheus' HTTP interface."""
        answer = self.get("prometheus", 9090, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert answer["status"] == "success", answer
        return answer["data"]


class TlsStack(Stack):
    """With mutual TLS and tokens; its command line has an operator's token."""

    token = ""

    def __init__(self, **settings):
        super().__init__(files=("docker-compose.yml", "docker-compose.override.yml"), **settings)

    def ricity(self, *words):
        line = ("run", "--rm", "-T", "-e", f"RICITY_TOKEN={self.token}", "cli", "ricity", *words, "--json")
        return json.loads(self.compose(*line))

    def make_token(self, name, role):
        """A further token of the deployment."""
        return self.ricity("token", "create", "--name", name, "--role", role, "--file", "/tokens/tokens.json")["token"]

    def running(self):
        """`docker inspect` of what stays up, by service."""
        return {name: row for name, row in self.containers().items() if name != "certs"}

    def take_identity(self, folder):
        """A context with the command line's certificate, as `make login` copies it."""
        self.compose("cp", "certs:/certs/cli", str(folder / "cli"))
        context = ssl.create_default_context(cafile=str(folder / "cli" / "ca.crt"))
        context.load_cert_chain(folder / "cli" / "tls.crt", folder / "cli" / "tls.key")
        return context


def ready_instance(stub, xapp, *, version=None):
    """The id of the one ready instance of an xApp, None while there is none; of a version, if one is named."""
    found = stub.ListXapps(admin_pb2.ListXappsRequest(), timeout=10).xapps
    ready = [info for info in found if info.xapp_name == xapp and info.state == "ready"]
    ids = [info.instance_id for info in ready if version in {None, info.xapp_version}]
    return ids[0] if ids else None


def sample_sum(text, name, **labels):
    """Sum over the samples of a metric in a /metrics text, those with the given labels."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    rows = re.findall(rf"^{name}(?:\{{([^}}]*)\}})? (\S+)$", text, flags=re.MULTILINE)
    return sum(float(value) for found, value in rows if wanted <= set(found.split(",")))


def answers(stack, **labels):
    """How many requests have their final record at the nodes, of the outcome or service in `labels`."""
    return sample_sum(stack.metrics("nodes"), "ricity_nodes_answers_total", **labels)


def gos_by_service(stack):
    """Grade of Service of each service so far, 0 to 1, as the nodes count it."""
    rows = re.findall(r'^ricity_nodes_gos_ratio\{service="(\w+)"\} (\S+)$', stack.metrics("nodes"), flags=re.MULTILINE)
    return {service: float(value) for service, value in rows}
