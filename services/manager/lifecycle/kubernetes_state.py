"""What Deployments and pods say about instances: objects of the API server in, workloads out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.manager.lifecycle.driver import Workload, WorkloadState
from services.manager.lifecycle.kubernetes_manifest import DEPLOYMENT, SETTINGS, VERSION, XAPP

Object = Mapping[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation: of several pods, a smaller Deployment gives up the one with the lowest cost."""

CANNOT_START = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that stay until somebody does something."""

_DETAIL_LENGTH = 300
_LAST = "~"  # sorts behind every time


def workloads_of(deployments: Iterable[Object], pods: Iterable[Object]) -> list[Workload]:
    """As many per Deployment as it shall have: its pods, and `<deployment>/<n>` for those that the cluster still owes.

    Pods that end or have been replaced are none. A pod whose container has ended counts as exited until it is ready again.

    Args:
        deployments: with the label `ricity.xapp`.
        pods: with the label `ricity.deployment`, each of one container.
    """
    by_deployment: defaultdict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        if lives(pod):
            by_deployment[pod["metadata"]["labels"].get(DEPLOYMENT, "")].append(pod)
    found: list[tuple[str, str, Workload]] = []
    for deployment in deployments:
        started = deployment["metadata"]["creationTimestamp"]
        for pod_started, workload in _of_deployment(deployment, by_deployment[deployment["metadata"]["name"]]):
            found.append((started, pod_started, workload))
    return [workload for _, _, workload in sorted(found, key=lambda entry: entry[:2])]


def lives(pod: Object) -> bool:
    """It is not about to end, and its Deployment has no other in its place."""
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")


def _of_deployment(deployment: Object, pods: Sequence[Object]) -> list[tuple[str, Workload]]:
    wanted = deployment["spec"].get("replicas", 1)
    kept = sorted(pods, key=lambda pod: (_is_given_up(pod), pod["metadata"]["creationTimestamp"]))[:wanted]
    there = [(pod["metadata"]["creationTimestamp"], _of_pod(deployment, pod)) for pod in kept]
    refusal = _refusal(deployment)
    owed = [
        (_LAST, _workload(deployment, instance_of(deployment, number), refusal)) for number in range(len(kept) + 1, wanted + 1)
    ]
    return there + owed


def instance_of(deployment: Object, number: int) -> str:
    """Name of an instance that has no pod yet; `number` counts from 1."""
    return f"{deployment['metadata']['name']}/{number}"


def _of_pod(deployment: Object, pod: Object) -> Workload:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return _workload(deployment, pod["metadata"]["name"], _ending(statuses[0]))


def _workload(deployment: Object, instance_id: str, ending: tuple[int | None, str] | None) -> Workload:
    labels, told = deployment["metadata"]["labels"], deployment["metadata"].get("annotations", {})
    exit_code, detail = ending or (None, "")
    return Workload(
        instance_id=instance_id,
        name=labels[XAPP],
        version=told.get(VERSION) or labels.get(VERSION, ""),
        state=WorkloadState.RUNNING if ending is None else WorkloadState.EXITED,
        exit_code=exit_code,
        detail=detail[:_DETAIL_LENGTH],
        settings=json.loads(told.get(SETTINGS, "{}")),
    )


def _ending(status: Object) -> tuple[int | None, str] | None:
    """Exit code and last words of a container that has ended or cannot start; None if it runs or may yet."""
    state, last_state = status.get("state", {}), status.get("lastState", {})
    waiting = state.get("waiting", {})
    if waiting.get("reason") in CANNOT_START:
        return None, ": ".join(filter(None, (waiting["reason"], waiting.get("message"))))
    ended = state.get("terminated") or last_state.get("terminated")
    if ended is None or status.get("ready"):
        return None
    lines = ended.get("message", "").strip().splitlines()
    return ended.get("exitCode"), lines[-1] if lines else ended.get("reason", "")


def _refusal(deployment: Object) -> tuple[None, str] | None:
    """Why the cluster makes no more pods of it, e.g. a quota; None if it does."""
    conditions = deployment.get("status", {}).get("conditions") or ()
    failures = [each for each in conditions if each["type"] == "ReplicaFailure" and each["status"] == "True"]
    return (None, failures[0].get("message", "")) if failures else None


def _is_given_up(pod: Object) -> bool:
    return DELETION_COST in pod["metadata"].get("annotations", {})
