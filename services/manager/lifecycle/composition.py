"""How the lifecycle's parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from ric_sim.domain.errors import InvalidInput
from services.common.tasks import end_tasks
from services.manager.lifecycle.ab_operations import AbOperations
from services.manager.lifecycle.configuration import settings_of
from services.manager.lifecycle.descriptor import Place
from services.manager.lifecycle.docker_driver import KEPT_FOLDER, DockerDriver, DockerPlace
from services.manager.lifecycle.driver import Driver
from services.manager.lifecycle.environment import xapp_environment
from services.manager.lifecycle.kubernetes_driver import KubernetesDriver, open_cluster
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace
from services.manager.lifecycle.osc_routes import osc_lifecycle_router
from services.manager.lifecycle.places import Places
from services.manager.lifecycle.process_driver import ProcessDriver
from services.manager.lifecycle.radio_view import CriticAdmin, RadioAdmin
from services.manager.lifecycle.reconciler import Reconciler
from services.manager.lifecycle.registrations import Registrations
from services.manager.lifecycle.replacement import ByStrategy, Replacement
from services.manager.lifecycle.ric_view import RicAdmin
from services.manager.lifecycle.rollout import RollingUpgrade
from services.manager.lifecycle.routes import lifecycle_router
from services.manager.lifecycle.service import Catalogue, Lifecycle
from services.manager.lifecycle.state_file import StateFile
from services.manager.settings import ManagerSettings


@dataclass(frozen=True, slots=True)
class RunningLifecycle:
    """What the REST interface and other parts use; `task` reconciles and ends only with an error."""

    service: Lifecycle
    driver: Driver
    ric: RicAdmin
    registrations: Registrations
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running_lifecycle(settings: ManagerSettings, folder: Path, *, log: Any) -> AsyncIterator[RunningLifecycle]:
    """Goes on from what `folder` says; leaving the context stops nothing that runs."""
    async with contextlib.AsyncExitStack() as stack:
        state = StateFile(folder)
        stack.callback(state.close)
        catalogue = Catalogue(state)
        ric = RicAdmin(settings.ric, settings.transport)
        stack.push_async_callback(ric.close)
        places = _places(ric, settings, catalogue, stack)
        driver = _driver(settings, folder, catalogue, stack)
        rolling, replacement = (
            kind(
                driver,
                places,
                now=time.time,
                settings=lambda name, _version: settings_of(state.xapps[name].desired),
                subscriptions=lambda name, version: catalogue.version(name, version).subscriptions,
            )
            for kind in (RollingUpgrade, Replacement)
        )
        reconciler = Reconciler(state, driver, places, ByStrategy(rolling, replacement), log=log)
        reconciler.place_of = catalogue.place
        reconciler.is_single = lambda name: catalogue.place(name) == Place.CRITIC
        registrations = Registrations(settings.destinations, log=log)
        stack.push_async_callback(registrations.close)
        reconciler.on_change = registrations.announce
        stack.push_async_callback(reconciler.close)
        task = asyncio.create_task(reconciler.run())
        stack.push_async_callback(end_tasks, task)
        yield RunningLifecycle(Lifecycle(state, catalogue, reconciler), driver, ric, registrations, task)


async def add_lifecycle(
    app: FastAPI, settings: ManagerSettings, stack: contextlib.AsyncExitStack, failed: asyncio.Future[None], *, log: Any
) -> AbOperations | None:
    """Adds the lifecycle to a manager that has a folder for it; `failed` gets the error that ended it, if one did."""
    if settings.xapp_folder is None:
        return None
    lifecycle = await stack.enter_async_context(running_lifecycle(settings, settings.xapp_folder, log=log))
    app.include_router(lifecycle_router(lifecycle.service))
    app.include_router(osc_lifecycle_router(lifecycle.service, lifecycle.registrations))
    lifecycle.task.add_done_callback(lambda ended: _report(ended, failed))
    return AbOperations(lifecycle.service, lifecycle.driver, lifecycle.ric)


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)


def _places(ric: RicAdmin, settings: ManagerSettings, catalogue: Catalogue, stack: contextlib.AsyncExitStack) -> Places:
    radio = RadioAdmin(settings.radio, settings.transport, catalogue.dapps)
    critic = CriticAdmin(settings.critic, settings.transport, lambda: catalogue.names_at(Place.CRITIC))
    for roster in (radio, critic):
        stack.push_async_callback(roster.close)
    return Places(ric, {Place.RADIO: radio, Place.CRITIC: critic}, place=catalogue.place, names_at=catalogue.names_at)


def _driver(settings: ManagerSettings, folder: Path, catalogue: Catalogue, stack: contextlib.AsyncExitStack) -> Driver:
    process_env = partial(xapp_environment, settings, catalogue.place, folder.resolve() / "kept")
    if settings.driver == "process":
        return ProcessDriver(folder.resolve() / "instances", catalogue.version, process_env)
    if settings.driver == "kubernetes":
        pod_env = partial(xapp_environment, settings, catalogue.place, Path(KEPT_FOLDER))
        in_cluster = KubernetesDriver(
            _cluster_place(settings), open_cluster(settings.kubernetes_config), catalogue.version, pod_env
        )
        stack.push_async_callback(in_cluster.close)
        return in_cluster
    if not settings.docker_project:
        raise InvalidInput("RICITY_DRIVER=docker needs RICITY_DOCKER_PROJECT: the name that tells this system's containers apart")
    network = settings.docker_network or f"{settings.docker_project}_default"
    place = DockerPlace(
        settings.docker_socket,
        network,
        settings.docker_image,
        settings.docker_project,
        settings.docker_certificates,
        settings.docker_kept or f"{settings.docker_project}_{{xapp}}",
        settings.docker_registry or f"{settings.docker_project}_registry",
    )
    in_container = {"RICITY_HOST": "0.0.0.0", "RICITY_STATUS_PORT": "9100"}

    def container_env(name: str) -> dict[str, str]:
        return xapp_environment(settings, catalogue.place, Path(KEPT_FOLDER), name) | in_container

    driver = DockerDriver(place, catalogue.version, container_env)
    stack.push_async_callback(driver.close)
    return driver


def _cluster_place(settings: ManagerSettings) -> KubernetesPlace:
    if not settings.kubernetes_namespace or not settings.kubernetes_release:
        raise InvalidInput(
            "RICITY_DRIVER=kubernetes needs RICITY_KUBERNETES_NAMESPACE and RICITY_KUBERNETES_RELEASE: where the Deployments go, "
            "and the name that tells this system's apart"
        )
    pod = settings.kubernetes_pod
    return KubernetesPlace(
        namespace=settings.kubernetes_namespace,
        release=settings.kubernetes_release,
        image=settings.kubernetes_image,
        certificates=settings.kubernetes_certificates,
        owner=settings.kubernetes_owner,
        pod_spec=pod.spec,
        pod_labels=pod.labels,
        pod_annotations=pod.annotations,
    )
