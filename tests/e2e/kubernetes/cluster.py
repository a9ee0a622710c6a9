"""A cluster of Kubernetes' own programs on this machine: API server and controllers, and on demand a node that runs pods.

The node runs containers with this machine's Docker engine. There is no kube-proxy: names of services lead to their pods by
DNS, and the API server listens at the address that pods are told.
"""

import hashlib
import ipaddress
import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml

ADMIN_TOKEN = "admin-of-the-test-cluster"
SERVICES = ipaddress.ip_network("10.77.0.0/24")
API_ADDRESS = str(SERVICES[1])  # the service `kubernetes`
DOMAIN = "cluster.local"
WITHIN_S = 60.0
_OPENSSL = ("openssl", "genrsa", "-out", "accounts.key", "2048")
_PLURALS = {"NetworkPolicy": "networkpolicies"}


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

    def __init__(self, folder: Path, programs: Path, *, address: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = folder
        self.programs = programs
        self.port = port or free_port()
        self.address = address
        self.url = f"https://{address}:{self.port}"
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
        version, plural = thing["apiVersion"], _PLURALS.get(thing["kind"], f"{thing['kind'].lower()}s")
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
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            f"--service-cluster-ip-range={SERVICES}",
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


class Node:
    """This machine as the cluster's only node; needs root, cgroups v1 and a Docker engine whose bridge is docker0."""

    def __init__(self, cluster: Cluster, *, pause_image: str) -> None:
        self._cluster = cluster
        self._folder = cluster.folder
        self._names: dict[str, str] = {}
        bridge = json.loads(subprocess.check_output(("ip", "-json", "addr", "show", "docker0"), timeout=10))
        self.gateway = next(each["local"] for each in bridge[0]["addr_info"] if each["family"] == "inet")
        config = cluster.kubeconfig()
        cluster.run("kube-scheduler", f"--kubeconfig={config}", "--leader-elect=false", "--port=0", "--secure-port=0")
        self._hosts = self._folder / "hosts"
        self._hosts.mkdir()
        cluster.run(
            "dnsmasq",
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            f"--hostsdir={self._hosts}",
            f"--listen-address={self.gateway}",
            "--bind-interfaces",
            "--local-ttl=0",
            f"--pid-file={self._folder / 'dnsmasq.pid'}",
        )
        cluster.run(
            "kubelet",
            f"--kubeconfig={config}",
            f"--root-dir={self._folder / 'kubelet'}",
            f"--cert-dir={self._folder / 'kubelet-certs'}",
            "--container-runtime=docker",
            "--cgroup-driver=cgroupfs",
            "--cgroups-per-qos=false",
            "--enforce-node-allocatable=",
            f"--pod-infra-container-image={pause_image}",
            "--hostname-override=node",
            f"--node-ip={self.gateway}",
            "--address=127.0.0.1",
            f"--port={free_port()}",
            "--read-only-port=0",
            "--healthz-port=0",
            "--fail-swap-on=false",
            "--make-iptables-util-chains=false",
            "--hairpin-mode=none",
            f"--cluster-dns={self.gateway}",
            f"--cluster-domain={DOMAIN}",
            "--eviction-hard=memory.available<1Mi",
            "--image-gc-high-threshold=100",  # the engine's images are not the node's to remove
            "--image-gc-low-threshold=99",
        )
        eventually(self._is_ready, what=f"the node, see {self._folder / 'kubelet.log'}")

    def _is_ready(self) -> bool:
        nodes = self._cluster.listed("/api/v1/nodes")
        conditions = nodes[0]["status"].get("conditions", ()) if nodes else ()
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def keep_names(self, namespace: str, ended: threading.Event) -> None:
        """Until told to end: names of services lead to the pods that they have now."""
        while not ended.wait(0.3):
            self._name_services(namespace)

    def _name_services(self, namespace: str) -> None:
        lines = [
            f"{address} {each['metadata']['name']}.{namespace}.svc.{DOMAIN}"
            for each in self._cluster.listed(f"/api/v1/namespaces/{namespace}/endpoints")
            for address in _addresses(each.get("subsets") or ())
        ]
        text = "\n".join(sorted(lines)) + "\n"
        path = self._hosts / namespace
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            self._reload()

    def _reload(self) -> None:
        self._cluster.processes["dnsmasq"].send_signal(signal.SIGHUP)


def _addresses(subsets: Iterable[dict[str, Any]]) -> list[str]:
    """Pods that are not ready, too: parts wait for each other by asking."""
    return [each["ip"] for subset in subsets for key in ("addresses", "notReadyAddresses") for each in subset.get(key, ())]


def reach_api_server_from_pods() -> None:
    """Gives this machine the address of the service `kubernetes`; idempotent."""
    subprocess.run(("ip", "addr", "replace", f"{API_ADDRESS}/32", "dev", "lo"), check=True, timeout=10)


def forget_api_address() -> None:
    subprocess.run(("ip", "addr", "del", f"{API_ADDRESS}/32", "dev", "lo"), check=False, timeout=10)
