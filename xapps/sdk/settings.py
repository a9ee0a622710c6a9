"""What every xApp process takes from its environment."""

from __future__ import annotations

import re
import socket
import uuid
from typing import Any

from pydantic import Field, field_validator

from services.common.settings import ProcessSettings

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
"""Semantic version as semver.org writes it."""

LIVE: dict[str, Any] = {"live": True}
"""`json_schema_extra` of a setting that a running xApp takes, too."""

_HOST_LENGTH = 48

_TARGET = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):(\d{1,5})")


def drawn_instance_id() -> str:
    """Whoever has started the container finds its id in front, and knows the instance by that."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:_HOST_LENGTH]
    return f"{host}-{uuid.uuid4().hex[:8]}"


class XappSettings(ProcessSettings):
    """Wiring of an xApp; an xApp's own settings derive from it."""

    ric: str = Field("127.0.0.1:50051", description="host:port of the RIC.")
    weight: int = Field(100, ge=0, le=1_000_000, description="Share of the delivery among the versions of the xApp; 0: standby.")
    window: int = Field(64, ge=1, le=4096, description="Most requests it holds at once.")
    replans: int = Field(
        1, ge=0, le=16, description="How often an aborted commit is planned again before it is a reject.", json_schema_extra=LIVE
    )
    group_decisions: int = Field(
        16, ge=1, le=1024, description="Most decisions after which their controls leave together.", json_schema_extra=LIVE
    )
    config_generation: int = Field(0, ge=0, description="Of the configuration it starts with; the manager's to set.")
    xapp_version: str | None = Field(None, description="Version it registers with; default: that of xapp.yaml.")
    instance_id: str = Field(
        default_factory=drawn_instance_id,
        pattern="^[A-Za-z0-9._-]{1,64}$",
        description="Unique per process start; default: the host's name (in a container its id) and a random end.",
    )

    @field_validator("ric")
    @classmethod
    def _is_target(cls, value: str) -> str:
        match = _TARGET.fullmatch(value)
        if match is None or not 1 <= int(match[2]) <= 65535:
            raise ValueError("expected host:port, e.g. 127.0.0.1:50051")
        return value

    @field_validator("xapp_version")
    @classmethod
    def _is_semver(cls, value: str | None) -> str | None:
        if value is not None and not SEMVER.fullmatch(value):
            raise ValueError("expected a semantic version, e.g. 1.2.0")
        return value


def live_fields(cls: type[XappSettings]) -> frozenset[str]:
    """Names of the settings that can change while the xApp runs."""
    extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
    return frozenset(name for name, extra in extras.items() if isinstance(extra, dict) and extra.get("live") is True)
