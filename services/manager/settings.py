"""Settings of the manager process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.common.rest_guard import RestSettings
from services.common.tls import is_loopback
from services.manager.a1_destinations import LOOPBACK, Destinations


class PodTemplate(BaseModel):
    """What the pods of a cluster have in common; `spec` takes any field of a pod's spec but containers and volumes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    spec: dict[str, Any] = {}


class ManagerSettings(RestSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    http_port: int = Field(8080, ge=0, le=65535, description="Port of the REST interface; 0 takes a free one.")
    ric: str = Field("127.0.0.1:50051", description="gRPC address of the RIC, host:port.")
    radio: str = Field("127.0.0.1:50061", description="gRPC address of the radio network, to which slicing dApps attach.")
    critic: str = Field("127.0.0.1:50062", description="gRPC address of the critic; the one it starts takes that port.")
    a1_dialect: Literal["std", "osc"] = Field("std", description="A1-P as the O-RAN standard has it, or as O-RAN SC's mediator.")
    a1_callback_timeout_s: float = Field(2.0, gt=0, le=30, description="How long a notification destination may take.")
    a1_callback_tries: int = Field(3, ge=1, le=10, description="How often a notification is sent until it is answered.")
    a1_callback_allow: str = Field(
        "", description="Notification destinations beside public addresses: host names, addresses, networks; commas between."
    )

    xapp_folder: Path | None = Field(None, description="Folder of what it knows of xApps; empty: it starts and upgrades none.")
    driver: Literal["process", "docker", "kubernetes"] = Field(
        "process", description="What xApps run as: processes here, containers, or Deployments of a cluster."
    )
    xapp_tls_dir: Path | None = Field(None, description="Folder of the xApps' certificates, one folder per xApp name in it.")
    docker_socket: Path = Field(Path("/var/run/docker.sock"), description="Of the Docker engine.")
    docker_project: str = Field("", description="Tells this system's containers apart; of Compose if that started them.")
    docker_network: str = Field("", description="Network of the containers; empty: the project's default network.")
    docker_certificates: str = Field(
        "", description="Volume with an xApp's certificate, mounted at /tls; {xapp} stands for its name; empty: it has none."
    )
    docker_kept: str = Field(
        "",
        description="Volume of what the critic keeps, mounted at /runs; {xapp} stands for its name; empty: <project>_{xapp}.",
    )
    docker_registry: str = Field(
        "",
        description="Volume of the model registry, read-only at /runs of every xApp but the critic; empty: <project>_registry.",
    )
    docker_image: str = Field("ricity:dev", description="Of xApps whose descriptor names a module but no image.")
    kubernetes_config: Path | None = Field(
        None, description="kubeconfig of the cluster; empty: the one this process is a pod of."
    )
    kubernetes_namespace: str = Field("", description="Where the Deployments go.")
    kubernetes_release: str = Field("", description="Tells this system's Deployments apart; Helm's release if that started them.")
    kubernetes_owner: str = Field("", description="Deployment with which those of the xApps are deleted; empty: they stay.")
    kubernetes_image: str = Field("ricity:dev", description="Of xApps whose descriptor names a module but no image.")
    kubernetes_certificates: str = Field(
        "", description="Secret with an xApp's certificate; {xapp} stands for its name; empty: it has none."
    )
    kubernetes_pod: PodTemplate = Field(
        PodTemplate(), description="What every pod has beside: labels, annotations, and fields of its spec, as JSON."
    )
    ab_folder: Path = Field(Path("runs/ab"), description="Folder of A/B tests and their reports; survives a restart.")

    @property
    def destinations(self) -> Destinations:
        """A manager that only this machine can reach may call this machine."""
        return Destinations([*self.a1_callback_allow.split(","), *(LOOPBACK if is_loopback(self.host) else ())])
