"""What every xApp process takes from its environment."""

from __future__ import annotations

import re
import uuid

from pydantic import Field, field_validator

from services.common.settings import ProcessSettings

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
"""Semantic version as semver.org writes it."""

_TARGET = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):(\d{1,5})")


class XappSettings(ProcessSettings):
    """Wiring of an xApp; an xApp's own settings derive from it."""

    ric: str = Field("127.0.0.1:50051", description="host:port of the RIC.")
    weight: int = Field(100, ge=0, le=1_000_000, description="Share of the delivery among the versions of the xApp; 0: standby.")
    window: int = Field(64, ge=1, le=4096, description="Most requests it holds at once.")
    replans: int = Field(1, ge=0, le=16, description="How often an aborted commit is planned again before it is a reject.")
    xapp_version: str | None = Field(None, description="Version it registers with; default: that of xapp.yaml.")
    instance_id: str = Field(
        default_factory=lambda: uuid.uuid4().hex[:12],
        pattern="^[A-Za-z0-9._-]{1,64}$",
        description="Unique per process start; default: drawn at random.",
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
