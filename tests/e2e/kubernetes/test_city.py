"""The chart on a cluster of one node: the manager in its pod upgrades an xApp under load through the API server.

The cluster may be older than the chart asks for, so what it does not know yet (disruption budgets) is left out.
"""

import base64
import json
import subprocess
import sys
import threading

import pytest

from tests.e2e.kubernetes.cluster import API_ADDRESS, Cluster, Node, eventually, forget_api_address, reach_api_server_from_pods
from tests.unit.charts.rendering import NAMESPACE, ROOT, render

IMAGE, PAUSE = "ricity-kubernetes", "ricity-kubernetes-pause:test"
OLD, NEW, BROKEN = "0.1.0", "0.2.0", "0.3.0"
XAPP = "routing-video"
SMALL = {"requests": {"cpu": "20m", "memory": "32Mi"}}
VALUES = {
    "city": {"profile": "paper", "speed": "60", "services": ["video", "voip"]},
    "images": {"part": {"repository": IMAGE, "tag": "test"}},
    "parts": {name: {"enabled": False} for name in ("radio", "registry", "console", "auditor")},
    "xapps": {"slicing": {"enabled": False}, "critic": {"enabled": False}, "routing": SMALL},
    "defaults": {"resources": SMALL},
    "persistence": {"enabled": False},
    "disruptionBudgets": {"enabled": False},
}
WITHIN_S = 300.0
pytestmark = pytest.mark.timeout(1200)


def ricity(*words):
    line = [sys.executable, "-m", "services.cli.main", *map(str, words)]
    return subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


class City:
    """The release in the cluster."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        ricity("certs", "create", "--out", folder / "certs", "--address", "ricity-manager")
        tokens = folder / "tokens.json"
        self.token = ricity("token", "create", "--name", "operator", "--role", "operator", "--file", tokens)
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for part in (folder / "certs").iterdir():
            if part.is_dir() and part.name != "ca":
                self._secret(f"ricity-tls-{part.name}", part.iterdir())
        self._secret("ricity-tokens", [tokens])
        for each in render(VALUES):
            cluster.create(each)

    def _secret(self, name, files):
        data = {path.name: base64.b64encode(path.read_bytes()).decode() for path in files}
        self.cluster.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
        )

    def pods(self, component):
        chosen = f"labelSelector=app.kubernetes.io/component%3D{component}"
        return self.cluster.listed(f"/api/v1/namespaces/{NAMESPACE}/pods?{chosen}")

    def is_ready(self, component):
        ready = [
            all(each["ready"] for each in pod["status"].get("containerStatuses", [{"ready": False}]))
            for pod in self.pods(component)
        ]
        return bool(ready) and all(ready)

    def ricity(self, *words, codes=(0,)):
        """In the pod that the chart has for it."""
        (container,) = command(
            "docker",
            "ps",
            "--quiet",
            "--filter",
            "name=k8s_cli_ricity-cli",
            "--filter",
            f"label=io.kubernetes.pod.namespace={NAMESPACE}",
        ).split()
        line = ("docker", "exec", "--env", f"RICITY_TOKEN={self.token}", container, "ricity", *words, "--json")
        done = subprocess.run(line, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode in codes, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads(done.stdout)


def command(*words):
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=900).stdout


@pytest.fixture(scope="module")
def images():
    """What the chart starts, and a container that does nothing, which every pod has."""
    if not command("docker", "images", "--quiet", f"{IMAGE}:test"):
        command("docker", "build", "--target", "part", "--tag", f"{IMAGE}:test", ".")
    recipe = f'FROM {IMAGE}:test\nENTRYPOINT ["sleep", "infinity"]\n'
    subprocess.run(
        ("docker", "build", "--tag", PAUSE, "-"), input=recipe, text=True, check=True, capture_output=True, timeout=300
    )


@pytest.fixture(scope="module")
def city(images, programs, tmp_path_factory):
    reach_api_server_from_pods()
    folder = tmp_path_factory.mktemp("one-node")
    cluster = Cluster(folder, programs, address=API_ADDRESS, port=443)
    ended = threading.Event()
    try:
        node = Node(cluster, pause_image=PAUSE)
        names = threading.Thread(target=node.keep_names, args=(NAMESPACE, ended))
        names.start()
        try:
            city = City(cluster, folder)
            for part in ("ric", "manager", "nodes", XAPP, "cli"):
                eventually(lambda part=part: city.is_ready(part), within_s=WITHIN_S, what=f"ready {part}")
            yield city
            cluster.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
            path = f"/api/v1/namespaces/{NAMESPACE}/pods"
            eventually(lambda: not cluster.listed(path), within_s=120, what="the end of all pods")
        finally:
            ended.set()
            names.join()
    finally:
        cluster.close()
        forget_api_address()


@pytest.fixture(scope="module")
def upgraded(city):
    descriptor = "/tmp/xapp.yaml"
    text = (ROOT / "xapps" / "routing" / "xapp.yaml").read_text()
    for pod in command("docker", "ps", "--quiet", "--filter", "name=k8s_cli_ricity-cli").split():
        subprocess.run(
            ("docker", "exec", "--interactive", pod, "sh", "-c", f"cat > {descriptor}"),
            input=text,
            text=True,
            check=True,
            timeout=60,
        )
    city.ricity("xapp", "onboard", descriptor, "--version", NEW, "--env", "RICITY_POLICY=learned")
    city.ricity("xapp", "onboard", descriptor, "--version", BROKEN, "--env", "RICITY_POLICY=none-such")
    return city.ricity("xapp", "upgrade", XAPP, "--to", NEW)


def test_an_upgrade_under_load_loses_nothing(upgraded, record_property):
    record_property("upgrade", json.dumps({key: upgraded[key] for key in ("state", "requests", "lost", "doubled", "duration_s")}))
    assert upgraded["state"] == "succeeded"
    assert upgraded["requests"] > 0
    assert (upgraded["lost"], upgraded["doubled"]) == (0, 0)


def test_the_charts_deployment_has_no_pod_left_and_the_new_one_has_its_rights(upgraded, city):
    (pod,) = city.pods(XAPP)
    assert pod["metadata"]["labels"]["ricity.version"] == NEW
    assert pod["spec"]["serviceAccountName"] == "ricity"
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_version_that_crashes_is_given_up_and_the_old_one_serves(upgraded, city):
    report = city.ricity("xapp", "upgrade", XAPP, "--to", BROKEN, codes=(0, 1))
    assert report["state"] == "aborted"
    assert "ended 3 times before it was ready" in report["reason"]
    assert (report["lost"], report["doubled"]) == (0, 0)
    (pod,) = city.pods(XAPP)
    assert pod["metadata"]["labels"]["ricity.version"] == NEW
