"""xApps as Deployments of a Kubernetes cluster, through its API server.

What the driver starts carries labels; the labels and the annotations are all it knows. Deployments that charts/ricity has made
with the label `ricity.xapp` in the same release are the xApp's, too: an upgrade takes their instances, the rest is Helm's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable, InvalidInput
from services.manager.lifecycle.descriptor import Place
from services.manager.lifecycle.driver import Environment, Versions, Workload
from services.manager.lifecycle.kubernetes_manifest import (
    DEPLOYMENT,
    MANAGED_BY,
    MANAGER,
    KubernetesPlace,
    deployment,
    deployment_name,
)
from services.manager.lifecycle.kubernetes_state import DELETION_COST, Object, instance_of, lives, workloads_of

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

CALL_TIMEOUT_S = (2.0, 10.0)  # to connect, to answer
_POLL_S = 0.2
_TRIES = 5
_FORCED_WITHIN_S = 10.0
_MERGE_PATCH = "application/merge-patch+json"
_OURS_TO_MEND = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


def open_cluster(config: Path | None) -> ApiClient:
    """A way to the cluster of a kubeconfig file, or to the one in which this process is a pod.

    Raises:
        InvalidInput: no such file, nothing usable in it, or this is no pod with a token.
    """
    from kubernetes import client
    from kubernetes import config as configs

    chosen = client.Configuration()
    try:
        if config is None:
            configs.load_incluster_config(client_configuration=chosen)
        else:
            configs.load_kube_config(config_file=str(config), client_configuration=chosen)
    except configs.ConfigException as error:
        raise InvalidInput(
            f"RICITY_DRIVER=kubernetes: {error}: run in a pod with its ServiceAccount's token, or set RICITY_KUBERNETES_CONFIG"
        ) from error
    chosen.retries = False  # the reconciler asks again, and meanwhile it wants to know
    return client.ApiClient(chosen)


class KubernetesDriver:
    """`Driver` for a namespace of a Kubernetes cluster. Instances are pods; their ids are the pods' names."""

    name: ClassVar[str] = "kubernetes"
    places: ClassVar[frozenset[Place]] = frozenset({Place.RIC})  # dApps and the critic are the chart's

    def __init__(self, place: KubernetesPlace, cluster: ApiClient, versions: Versions, env: Environment) -> None:
        """`env`: xApp name to the `RICITY_*` variables it gets from where it runs (where the RIC is)."""
        from kubernetes import client

        self._place = place
        self._cluster = cluster
        self._versions = versions
        self._env = env
        self._apps = client.AppsV1Api(cluster)
        self._core = client.CoreV1Api(cluster)

    async def close(self) -> None:
        """Closes the connections to the API server."""
        await asyncio.to_thread(self._cluster.close)

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        """As `Driver.start`; until the cluster has made the pod, the instance is called `<deployment>/<n>`.

        An image that cannot be pulled shows as an instance that has exited: the nodes pull, not this driver.
        """
        spec = self._versions(name, version)
        wanted = deployment_name(self._place, name, version, settings)
        for _ in range(_TRIES):
            found = await self._get(self._apps.read_namespaced_deployment, wanted)
            if found is None:
                body = deployment(self._place, spec, self._env(name), settings)
                body["metadata"]["ownerReferences"] = await self._owners()
                status, made = await self._call(self._apps.create_namespaced_deployment, body=body)
                number = 1
            else:
                number = found["spec"]["replicas"] + 1
                status, made = await self._scale(found, number)
            if status in _OURS_TO_MEND:
                raise DeploymentFailed(f"{name} {version} as Deployment {wanted}: {made['message']}")
            if status not in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                return instance_of(checked(status, made), number)
        raise DriverUnavailable(f"Deployment {wanted} changes faster than it can be changed: it is tried again")

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        """As `Driver.stop`. A Deployment of the driver's own goes with its last instance; one of the chart's keeps none."""
        of_it, _, number = instance_id.partition("/")
        pod = None if number else await self._get(self._core.read_namespaced_pod, instance_id)
        if not number and pod is None:
            return
        if pod is not None:
            of_it = pod["metadata"]["labels"].get(DEPLOYMENT, "")
        if pod is None or lives(pod):
            await self._give_up(of_it, pod)
        if pod is not None:
            await self._see_off(pod, grace_s)

    async def workloads(self) -> Sequence[Workload]:
        """As `Driver.workloads`."""
        chosen = {"label_selector": self._place.selector}
        deployments = await self._list(self._apps.list_namespaced_deployment, **chosen)
        pods = await self._list(self._core.list_namespaced_pod, **chosen) if deployments else []
        return workloads_of(deployments, pods)

    async def _give_up(self, name: str, pod: Object | None) -> None:
        """One instance fewer: this pod if the Deployment has it, else one that is still to come."""
        for _ in range(_TRIES):
            found = await self._get(self._apps.read_namespaced_deployment, name) if name else None
            if found is None:
                return
            if pod is not None:
                cost = {"metadata": {"annotations": {DELETION_COST: "-1"}}}
                await self._patch(self._core.patch_namespaced_pod, pod["metadata"]["name"], cost)
            left = max(0, found["spec"]["replicas"] - 1)
            is_ours = found["metadata"]["labels"].get(MANAGED_BY) == MANAGER
            status, said = await (self._delete(found) if is_ours and not left else self._scale(found, left))
            if status == HTTPStatus.NOT_FOUND:
                return
            if status != HTTPStatus.CONFLICT:
                checked(status, said)
                return
        raise DriverUnavailable(f"Deployment {name} changes faster than it can be changed: it is tried again")

    async def _see_off(self, pod: Object, grace_s: float) -> None:
        """Waits for the pod's end; hastens it after the grace."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        if await self._is_gone(name, uid, grace_s):
            return
        hurry = {"gracePeriodSeconds": 1, "preconditions": {"uid": uid}}
        await self._call(self._core.delete_namespaced_pod, name, body=hurry)
        if not await self._is_gone(name, uid, _FORCED_WITHIN_S):
            raise DriverUnavailable(f"pod {name} does not end: is its node {pod['spec'].get('nodeName', '')} there?")

    async def _is_gone(self, name: str, uid: str, within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while (pod := await self._get(self._core.read_namespaced_pod, name)) is not None:
            if pod["metadata"]["uid"] != uid:
                return True
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def _owners(self) -> list[dict[str, Any]]:
        if not self._place.owner:
            return []
        owner = await self._get(self._apps.read_namespaced_deployment, self._place.owner)
        if owner is None:
            raise DriverUnavailable(f"Deployment {self._place.owner}, which RICITY_KUBERNETES_OWNER names, is not there")
        return [{"apiVersion": "apps/v1", "kind": "Deployment", "name": self._place.owner, "uid": owner["metadata"]["uid"]}]

    async def _scale(self, found: Object, replicas: int) -> tuple[int, Any]:
        """Only if it is still as it was found; else the status is CONFLICT."""
        change = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "spec": {"replicas": replicas}}
        return await self._patch(self._apps.patch_namespaced_deployment, found["metadata"]["name"], change)

    async def _delete(self, found: Object) -> tuple[int, Any]:
        seen = {"resourceVersion": found["metadata"]["resourceVersion"]}
        body = {"propagationPolicy": "Background", "preconditions": seen}
        return await self._call(self._apps.delete_namespaced_deployment, found["metadata"]["name"], body=body)

    async def _patch(self, method: Callable[..., Any], name: str, change: Object) -> tuple[int, Any]:
        return await self._call(method, name, body=change, _content_type=_MERGE_PATCH)

    async def _get(self, method: Callable[..., Any], name: str) -> Any | None:
        status, said = await self._call(method, name)
        return None if status == HTTPStatus.NOT_FOUND else checked(status, said)

    async def _list(self, method: Callable[..., Any], **options: Any) -> list[Object]:
        items: list[Object] = checked(*await self._call(method, **options))["items"]
        return items

    async def _call(self, method: Callable[..., Any], name: str | None = None, **options: Any) -> tuple[int, Any]:
        """Status and object; the library's models are left out because reading them takes longer than the call."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        named = {"namespace": self._place.namespace} | ({} if name is None else {"name": name})
        try:
            try:
                answer = await asyncio.to_thread(
                    method, **named, **options, _request_timeout=CALL_TIMEOUT_S, _preload_content=False
                )
                return answer.status, json.loads(answer.data)
            except ApiException as refusal:
                return int(refusal.status or 0), json.loads(refusal.body or "{}")
        except (HTTPError, OSError, ValueError) as error:
            raise DriverUnavailable(
                f"the API server at {self._cluster.configuration.host} does not answer ({error!r}): is it up and reachable?"
            ) from error


def checked(status: int, said: Any) -> Any:
    """The object of an answer that is no refusal."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return said
    mends: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: ": its token is not known there",
        HTTPStatus.FORBIDDEN: ": the manager's ServiceAccount needs the Role that charts/ricity makes",
    }
    mend = mends.get(status, "")  # 0: there was no answer that the client understood
    raise DriverUnavailable(f"the API server refuses with status {status}: {said.get('message', said)}{mend}")
