"""Settings of the radio process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from ric_sim.radio.config import MAX_DUS, MIN_DUS
from ric_sim.radio.policies import SLICING_POLICIES
from ric_sim.radio.profiles import RADIO_PROFILES
from services.common.settings import ProcessSettings


class RadioSettings(ProcessSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    grpc_port: int = Field(50061, ge=0, le=65535, description="Port of the dApps' streams; 0 takes a free one.")
    dus: int = Field(6, ge=MIN_DUS, le=MAX_DUS, description="O-DUs, one slicing dApp each.")
    later_dus: int = Field(0, ge=0, description="The last ones of them are off the air until their dApps attach.")
    ues: int = Field(200, ge=3, le=10_000, description="UEs in all.")
    radio_profile: str = Field("nominal", description="Traffic and mobility; a name in ric_sim.radio.profiles.")
    radio_seed: int = Field(0, ge=0, description="Of arrivals, movement and fading.")
    observation: str = Field("ext", pattern="^(ext|paper)$", description="What the reports hold.")
    frames_per_s: float = Field(50.0, gt=0, le=100_000, description="Decision intervals per wall second, if the dApps keep up.")
    deadline_ms: float = Field(50.0, gt=0, le=60_000, description="How long a frame waits for the controls of attached dApps.")
    wait_for_dapps_s: float = Field(30.0, ge=0, description="How long the first frame waits for all dApps to attach.")
    shield_urllc_rbs: int = Field(1, ge=0, description="RBs that URLLC gets whatever a dApp says, as far as it needs them.")
    shield_change_ratio: float = Field(
        1.0, gt=0, le=1, description="By how much of the cell a slice's quota may change from frame to frame; 1 is no limit."
    )
    ric: str = Field("", description="RIC whose RRM policy ratios bound the O-DUs' quotas, host:port; empty: none.")
    rule: str = Field("need-tuned", description="Heuristic that plays the same arrivals and fading beside, for comparison.")
    out: Path | None = Field(None, description="Folder of slicing.json.")

    @model_validator(mode="after")
    def _has_cells_from_the_start(self) -> RadioSettings:
        if self.later_dus >= self.dus:
            raise ValueError(f"later_dus {self.later_dus} of {self.dus} O-DUs: expected fewer, one is on air from the start")
        return self

    @field_validator("rule")
    @classmethod
    def _is_rule(cls, value: str) -> str:
        return _known(value, SLICING_POLICIES)

    @field_validator("radio_profile")
    @classmethod
    def _is_profile(cls, value: str) -> str:
        return _known(value, RADIO_PROFILES)


def _known(value: str, known: Collection[str]) -> str:
    if value not in known:
        raise ValueError(f"expected one of {', '.join(sorted(known))}")
    return value
