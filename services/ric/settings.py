"""Settings of the RIC process."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import StoreSettings


class RicSettings(StoreSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of all gRPC services; 0 takes a free one.")
    profile: str = Field("paper", description="Built-in city profile; not used with a city file.")
    city_file: Path | None = Field(None, description="A city of your own, docs/city.md.")
    absent_grace_ms: int = Field(5_000, ge=0, description="How long requests wait for an xApp whose last instance has gone.")
    preemption: bool = Field(default=False, description="Critical services may displace others where there is no room.")
    congestion_signals: bool = Field(default=False, description="Refusals are counted in the store and snapshots carry them.")
    control_priorities: dict[str, int] = Field(
        default_factory=dict, description="JSON, xApp name to priority: who may change RAN parameters that another one holds."
    )
    store_patience_s: float = Field(30.0, gt=0, description="How long to wait for the store at the start.")
