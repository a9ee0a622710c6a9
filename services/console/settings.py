"""Settings of the console process."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.rest_guard import RestSettings


class ConsoleSettings(RestSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    http_port: int = Field(8088, ge=0, le=65535, description="Port of the page; 0 takes a free one.")
    ric: str = Field("127.0.0.1:50051", description="gRPC address of the RIC, host:port.")
    manager: str = Field("http://127.0.0.1:8080", description="URL of the manager's REST interface.")
    manager_token_file: Path | None = Field(None, description="File with the bearer token for the manager.")
    registry_url: str = Field("", description="URL of the model registry's REST interface; empty: models are not offered.")
    registry_token_file: Path | None = Field(None, description="File with the bearer token for the registry.")
    parts: str = Field("", description="Status ports as name=host:port,... with ric, nodes, radio and critic by these names.")
    run_folder: Path | None = Field(None, description="Folder of a `ricity run`: its parts are found by their ready files.")
    period_ms: int = Field(1000, ge=500, le=10_000, description="Between two looks at what changes all the time.")
    allowed_hosts: str = Field("localhost,127.0.0.1,::1", description="Names the page may be asked for by; * for any.")
    read_only: bool = Field(default=False, description="Everything can be seen and nothing changed from the page.")
