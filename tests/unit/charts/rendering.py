"""The chart as Helm renders it, for any values, without a cluster."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import yaml
from helm_python.chart import Chart

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "ricity"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
RELEASE, NAMESPACE = "ricity", "city"

ALL_MONITORING: dict[str, Any] = {
    "prometheus": {"enabled": True},
    "grafana": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus"}},
    "rules": {"enabled": True},
}
PEER = [{"namespaceSelector": {"matchLabels": {"team": "operators"}}}]
MINIMAL: dict[str, Any] = {
    "city": {"profile": "smoke"},
    "security": {"insecure": True},
    "parts": {name: {"enabled": False} for name in ("radio", "manager", "registry", "console", "auditor", "cli")},
    "xapps": {"slicing": {"enabled": False}, "critic": {"enabled": False}},
    "persistence": {"enabled": False},
    "disruptionBudgets": {"enabled": False},
    "networkPolicies": {"enabled": False},
    "monitoring": {"dashboards": {"enabled": False}},
}
SENTINEL_URL = "rediss+sentinel://a.example:26380,b.example:26380,c.example:26380/city/0"
VALUE_SETS: dict[str, dict[str, Any]] = {
    "default": {},
    "external store": {"store": {"url": "rediss://db.example:6380/0"}, "networkPolicies": {"storePort": 6380}},
    "store behind Sentinel": {"store": {"url": SENTINEL_URL}, "networkPolicies": {"storeSentinelPort": 26380}},
    "store from a Secret": {"store": {"urlSecret": {"name": "store-of-the-city"}}},
    "store with a password": {"store": {"bundled": {"passwordSecret": {"name": "store-password"}}}},
    "minimal": MINIMAL,
    "insecure": {"security": {"insecure": True}},
    "monitoring": {"monitoring": ALL_MONITORING},
    "kuberay": {"trainer": {"enabled": True, "workers": 2}},
    "ten O-DUs": {"city": {"dus": 10, "services": ["ar", "voip"]}},
    "everything": {
        "images": {"registry": "mirror.example/city", "pullSecrets": ["pull"]},
        "parts": {"ric": {"env": {"RICITY_PREEMPTION": "true"}, "resources": {"limits": {"memory": "1Gi"}}}},
        "xapps": {"routing": {"replicas": 3, "env": {"RICITY_POLICY": "cspf"}}},
        "defaults": {"nodeSelector": {"disk": "fast"}, "priorityClassName": "high", "podAnnotations": {"a": "b"}},
        "persistence": {"storageClass": "fast"},
        "networkPolicies": {"clients": PEER, "monitoring": PEER, "callbacks": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
        "monitoring": ALL_MONITORING,
        "trainer": {"enabled": True},
    },
}


def render(values: dict[str, Any] | None = None) -> tuple[dict[str, Any], ...]:
    """Every object that Helm would send to the cluster."""
    return _rendered(json.dumps(values or {}))


@functools.cache
def _rendered(values: str) -> tuple[dict[str, Any], ...]:
    with Chart.load(CHART) as chart:
        files = chart.render(json.loads(values), name=RELEASE, namespace=NAMESPACE)
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    return tuple(each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each)


def of_kind(objects: tuple[dict[str, Any], ...], *kinds: str) -> dict[str, dict[str, Any]]:
    """Objects of some kinds by the name of what they belong to (without the release's)."""
    return {each["metadata"]["name"].removeprefix(f"{RELEASE}-"): each for each in objects if each["kind"] in kinds}


def pods(objects: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    """Every pod template, those of the Ray cluster included, by name."""
    found = {name: each["spec"]["template"] for name, each in of_kind(objects, "Deployment", "StatefulSet").items()}
    for job in of_kind(objects, "RayJob").values():
        cluster = job["spec"]["rayClusterSpec"]
        for group in (cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", ())):
            found[group["template"]["spec"]["containers"][0]["name"]] = group["template"]
    return found


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """Plain variables of a pod's only container."""
    (container,) = pod["spec"]["containers"]
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
