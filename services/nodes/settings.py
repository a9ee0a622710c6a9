"""Settings of the node process."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

from pydantic import Field

from services.common.settings import ProcessSettings


class NodesSettings(ProcessSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    ric: str = Field("127.0.0.1:50051", description="host:port of the RIC.")
    profile: str = Field("paper", description="Built-in city profile; of a city file it only scales a generated day.")
    day: str = Field("test", description="Built-in day: test or train.")
    seed: int | None = Field(None, description="Another day with the same statistics.")
    city_file: Path | None = Field(None, description="A city of your own, docs/city.md.")
    flow_file: Path | None = Field(None, description="A day of your own, docs/city.md.")
    max_flows: int | None = Field(None, ge=1, description="Play only so many flows of the day.")
    speed: Literal["max"] | float = Field("max", description="max: as fast as answers come; else emulated seconds per second.")
    rate: float | None = Field(None, gt=0, le=100_000, description="Requests per wall second, whatever their arrival times.")
    in_flight: int = Field(6, ge=1, le=4096, description="Most requests outstanding at speed max.")
    time_to_wait_ms: int = Field(10_000, ge=1, le=60_000, description="How long a request waits for its answer, wall time.")
    wait_for_services: bool = Field(default=False, description="Begin the day once every service has a subscriber.")
    exit_when_done: bool = Field(default=False, description="End with the day; otherwise stay, for reports.")
    reports_per_s: float = Field(500.0, gt=0, description="Most REPORT indications per wall second.")
    out: Path | None = Field(None, description="Folder of ledger.npz, nodes_summary.json and progress.json.")
    agent_id: str = Field(
        default_factory=lambda: f"nodes-{uuid.uuid4().hex[:12]}", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Unique name."
    )
