"""A cluster of Kubernetes' own programs on this machine: store, API server and controllers, but no node that would run pods."""

import hashlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

ADMIN_TOKEN = "admin-of-the-test-cluster"
WITHIN_S = 60.0
_OPENSSL = ("openssl", "genrsa", "-out", "accounts.key", "2048")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(condition: Callable[[], Any], *, within_s: float = WITHIN_S, what: str = "it", every_s: float = 0.2) -> Any:
    """The condition's first true value."""
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come true within {within_s:g} s"
        time.sleep(every_s)
    return value


class Cluster:
    """etcd, kube-apiserver and kube-controller-manager; ended, with all that they have started, by `close`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.certificate = folder / "certs" / "apiserver.crt"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            self._start_control_plane()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for name in reversed(list(self.processes)):
            self.end(name)

    def end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def kubeconfig(self, *, token: str = ADMIN_TOKEN) -> Path:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": str(self.certificate)}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = self.folder / f"kubeconfig-{hashlib.sha256(token.encode()).hexdigest()[:8]}"
        path.write_text(yaml.safe_dump(document))
        return path

    def call(self, method: str, path: str, body: Any = None, *, kind: str = "application/json", ok: bool = True) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": kind}
        content = None if body is None else json.dumps(body)
        answer = self.http.request(method, path, content=content, headers=headers)
        assert answer.is_success or not ok, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json()

    def create(self, thing: dict[str, Any]) -> dict[str, Any]:
        version, plural = thing["apiVersion"], f"{thing['kind'].lower()}s"
        group = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        namespace = thing["metadata"].get("namespace")
        return self.call("POST", f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}", thing)

    def listed(self, path: str) -> list[dict[str, Any]]:
        return self.call("GET", path)["items"]

    def start_api_server(self) -> None:
        """Also again, after `end("kube-apiserver")`; returns when it answers."""
        self.run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.77.0.0/24",
        )
        eventually(self.certificate.exists, what="the API server's certificate")
        self.http = httpx.Client(base_url=self.url, verify=ssl.create_default_context(cafile=str(self.certificate)), timeout=30)
        eventually(self._is_ready, what=f"the API server, see {self.folder / 'kube-apiserver.log'}")

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/readyz", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).status_code == 200
        except httpx.TransportError:
            return False

    def _start_control_plane(self) -> None:
        subprocess.run(_OPENSSL, cwd=self.folder, check=True, capture_output=True, timeout=60)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        self.etcd_port, peers = free_port(), free_port()
        self.run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
            "--unsafe-no-fsync",
        )
        self.start_api_server()
        self.run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig()}",
            "--leader-elect=false",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.certificate}",
            "--port=0",
            "--secure-port=0",
        )
        eventually(
            lambda: self.call("GET", "/api/v1/namespaces/default/serviceaccounts/default", ok=False).get("secrets"),
            what="the controllers",
        )

    def run(self, name: str, *options: str) -> None:
        program = self.programs / name
        found = str(program) if program.exists() else shutil.which(name)
        assert found, f"no {name} in {self.programs} or on the path: tests/e2e/kubernetes/build.sh makes what is needed"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen((found, *options), cwd=self.folder, stdout=log, stderr=log)
