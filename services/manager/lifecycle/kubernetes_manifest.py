"""A version of an xApp as a Kubernetes Deployment, of the same make as those of charts/ricity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.manager.lifecycle.configuration import GENERATION as GENERATION_SETTING
from services.manager.lifecycle.descriptor import XappVersion

XAPP, VERSION, GENERATION = "ricity.xapp", "ricity.version", "ricity.generation"
DEPLOYMENT = "ricity.deployment"
SETTINGS = "ricity.settings"
RELEASE, MANAGED_BY, MANAGER = "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "ricity-manager"
STATUS_PORT = 9100
_IDENTITY_FOLDER = "/etc/ricity/identity"
_ALIVE, _READY = "alive", "ready"
_OWN_PROBE = {  # seldom and patient: a program takes longer than a request
    _ALIVE: {"periodSeconds": 15, "timeoutSeconds": 10},
    _READY: {"periodSeconds": 10, "timeoutSeconds": 10},
}
_LEAST_CPUS, _LEAST_MEMORY_MIB = 0.1, 128
_DEFAULT_USER = 10001
_POD_SPEC: Mapping[str, Any] = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,  # Kubernetes would add RICITY_* variables, and parts refuse unknown ones
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": _DEFAULT_USER,
        "runAsGroup": _DEFAULT_USER,
        "fsGroup": _DEFAULT_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "terminationGracePeriodSeconds": 30,
}
_CONTAINER_RIGHTS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True)
class KubernetesPlace:
    """Where Deployments go.

    Attributes:
        namespace: of everything.
        release: Helm's, or another word that tells apart several systems in one namespace.
        image: of xApps whose descriptor names a module but no image.
        certificates: Secret with an xApp's certificate, `{xapp}` for its name; empty: xApps speak plain text.
        owner: Deployment with which those of the xApps are deleted by the cluster; empty: they stay.
        pod_spec: fields of every pod's spec, before those that are here for all: placement, ServiceAccount, user.
        pod_labels: of every pod, beside those that it is found by.
        pod_annotations: of every pod.
    """

    namespace: str
    release: str
    image: str
    certificates: str = ""
    owner: str = ""
    pod_spec: Mapping[str, Any] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def selector(self) -> str:
        """Finds the release's xApps, those of the chart too."""
        return f"{XAPP},{RELEASE}={self.release}"


def deployment_name(place: KubernetesPlace, name: str, version: str, settings: Mapping[str, str]) -> str:
    """The same for the same version with the same settings: what is started again grows, and nothing is started twice.

    At most 46 characters, so that the pods' names are whole host names.
    """
    told = json.dumps([name, version, dict(sorted(settings.items()))])
    digest = hashlib.sha256(told.encode()).hexdigest()[:8]
    return f"{place.release[:14]}-{name[:22]}-{digest}"


def deployment(place: KubernetesPlace, spec: XappVersion, env: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, Any]:
    """The object for the API server, with one replica.

    Args:
        place: where it goes.
        spec: what is started.
        env: variables that the place gives it.
        settings: variables on top of those of its descriptor.
    """
    name = deployment_name(place, spec.name, spec.version, settings)
    labels = _labels(place, spec, settings) | {DEPLOYMENT: name}
    told = {VERSION: spec.version, SETTINGS: json.dumps(dict(settings))}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": place.namespace, "labels": labels, "annotations": told},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": {RELEASE: place.release, DEPLOYMENT: name}},
            "template": {
                "metadata": {"labels": {**place.pod_labels, **labels}, "annotations": dict(place.pod_annotations)},
                "spec": _pod_spec(place, spec, {**env, **spec.env, **settings}),
            },
        },
    }


def _labels(place: KubernetesPlace, spec: XappVersion, settings: Mapping[str, str]) -> dict[str, str]:
    """Those of the chart too: network policies, services and disruption budgets go by them."""
    return {
        "app.kubernetes.io/name": "ricity",
        RELEASE: place.release,
        "app.kubernetes.io/component": spec.name,
        "app.kubernetes.io/part-of": "ricity",
        MANAGED_BY: MANAGER,
        "ricity/tier": "routing" if spec.document.get("services") else "core",
        XAPP: spec.name,
        VERSION: spec.version.replace("+", "_"),  # which no label may have
        GENERATION: settings.get(GENERATION_SETTING, "0"),
    }


def _pod_spec(place: KubernetesPlace, spec: XappVersion, env: Mapping[str, str]) -> dict[str, Any]:
    secret = place.certificates.replace("{xapp}", spec.name)
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "128Mi"}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]
    if secret:
        volumes.append({"name": "identity", "secret": {"secretName": secret, "defaultMode": 0o440}})
        mounts.append({"name": "identity", "mountPath": _IDENTITY_FOLDER, "readOnly": True})
    told = {
        "RICITY_HOST": "0.0.0.0",
        "RICITY_STATUS_PORT": str(STATUS_PORT),
        **({"RICITY_TLS_DIR": _IDENTITY_FOLDER} if secret else {}),
        **env,
        "RICITY_XAPP_VERSION": spec.version,
    }
    return {
        **_POD_SPEC,
        **place.pod_spec,
        "containers": [{**_container(place, spec, told), **_probes(spec, asks_itself=bool(secret)), "volumeMounts": mounts}],
        "volumes": volumes,
    }


def _container(place: KubernetesPlace, spec: XappVersion, env: Mapping[str, str]) -> dict[str, Any]:
    arguments = list(spec.command) or (["python", "-m", spec.module] if spec.module else [])
    own_name = {"name": "RICITY_INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    limits = {"cpu": f"{round(spec.cpus * 1000)}m", "memory": f"{spec.memory_mib}Mi"}
    requests = {
        "cpu": f"{round(min(spec.cpus, _LEAST_CPUS) * 1000)}m",
        "memory": f"{min(spec.memory_mib, _LEAST_MEMORY_MIB)}Mi",
    }
    return {
        "name": "xapp",
        "image": spec.image or place.image,
        **({"args": arguments} if arguments else {}),
        "env": [own_name, *({"name": key, "value": value} for key, value in env.items() if key != own_name["name"])],
        "ports": [{"name": "status", "containerPort": STATUS_PORT}],
        "terminationMessagePolicy": "FallbackToLogsOnError",  # so that one can see why it ended
        "securityContext": dict(_CONTAINER_RIGHTS),
        "resources": {"requests": requests, "limits": limits},
    }


def _probes(spec: XappVersion, *, asks_itself: bool) -> dict[str, Any]:
    """All three. Where there is TLS the kubelet has no certificate for the status port, so the xApp asks its own with its own."""
    alive = _probe(spec.document.get("livenessProbe", {}), _ALIVE, asks_itself=asks_itself)
    ready = _probe(spec.document.get("readinessProbe", {}), _READY, asks_itself=asks_itself)
    patience = {"timeoutSeconds": 5} if "exec" in alive else {}
    return {
        "startupProbe": {**alive, **patience, "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {"periodSeconds": 10, "timeoutSeconds": 5, **alive},
        "readinessProbe": {"periodSeconds": 5, "timeoutSeconds": 5, **ready},
    }


def _probe(described: Mapping[str, Any], state: str, *, asks_itself: bool) -> dict[str, Any]:
    """A probe of a descriptor as Kubernetes has it; a port by a name of the descriptor's own is the status port."""
    delays = {key: described[key] for key in ("initialDelaySeconds", "periodSeconds") if key in described}
    if "exec" in described:
        command = described["exec"]["command"]
        return {"exec": {"command": [command] if isinstance(command, str) else list(command)}, **delays}
    http = described.get("httpGet", {})
    port = http.get("port")
    if asks_itself and (not isinstance(port, int) or port == STATUS_PORT):
        return {"exec": {"command": ["status-probe", state]}, **_OWN_PROBE[state], **delays}
    path = http.get("path", f"/ric/v1/health/{state}")
    return {"httpGet": {"path": path, "port": port if isinstance(port, int) else "status"}, **delays}
