"""Settings of the registry's process."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.rest_guard import RestSettings


class RegistrySettings(RestSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    registry: Path = Field(Path("runs/registry"), description="Folder of the registry; made by the first publication.")
    rest_port: int = Field(8090, ge=0, le=65535, description="HTTP port of the REST interface; 0 takes a free one.")
