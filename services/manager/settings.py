"""Settings of the manager process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.common.settings import ProcessSettings


class ManagerSettings(ProcessSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    http_port: int = Field(8080, ge=0, le=65535, description="Port of the REST interface; 0 takes a free one.")
    ric: str = Field("127.0.0.1:50051", description="gRPC address of the RIC, host:port.")
    a1_dialect: Literal["std", "osc"] = Field("std", description="A1-P as the O-RAN standard has it, or as O-RAN SC's mediator.")
    a1_callback_timeout_s: float = Field(2.0, gt=0, le=30, description="How long a notification destination may take.")
    a1_callback_tries: int = Field(3, ge=1, le=10, description="How often a notification is sent until it is answered.")
