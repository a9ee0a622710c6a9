"""Settings of the manager process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from services.common.rest_guard import RestSettings
from services.common.tls import is_loopback
from services.manager.a1_destinations import LOOPBACK, Destinations


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
    driver: Literal["process", "docker"] = Field("process", description="What xApps run as: processes here, or containers.")
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
    docker_image: str = Field("ricity:dev", description="Of xApps whose descriptor names a module but no image.")
    ab_folder: Path = Field(Path("runs/ab"), description="Folder of A/B tests and their reports; survives a restart.")

    @property
    def destinations(self) -> Destinations:
        """A manager that only this machine can reach may call this machine."""
        return Destinations([*self.a1_callback_allow.split(","), *(LOOPBACK if is_loopback(self.host) else ())])
