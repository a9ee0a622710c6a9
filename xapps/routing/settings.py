"""What a routing xApp takes from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from ric_sim.network.policies import POLICIES
from xapps.sdk.settings import LIVE, XappSettings


class RoutingSettings(XappSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    service: str = Field(pattern="^[a-z][a-z0-9-]{0,31}$", description="Key of the service it routes; names the xApp.")
    policy: str = Field("learned", description="How it routes; a name in ric_sim.network.policies.POLICIES.")
    policy_seed: int = Field(0, ge=0, description="Seed of policies that draw at random.")
    weights: Path | None = Field(None, description="Folder of a learned policy's weights; empty: those that come with Ricity.")
    fault_decline_percent: float = Field(
        0.0,
        ge=0,
        le=100,
        description="FAULT INJECTION, for drills only: share of the requests it declines anyway.",
        json_schema_extra=LIVE,
    )

    @field_validator("policy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in POLICIES:
            raise ValueError(f"expected one of {', '.join(sorted(POLICIES))}")
        return value

    @field_validator("weights", mode="before")
    @classmethod
    def _is_given(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _has_a_use_for_weights(self) -> RoutingSettings:
        if self.weights is not None and not self.algorithm:
            raise ValueError(f"policy {self.policy} has no weights: leave RICITY_WEIGHTS empty or choose a learned policy")
        return self

    @property
    def algorithm(self) -> str:
        """What trained the policy; empty for a policy that has not learnt."""
        return POLICIES[self.policy].algorithm

    @property
    def policy_parameters(self) -> dict[str, Any]:
        """For `make_policy`."""
        return {"weights": self.weights, "services": (self.service,)} if self.algorithm else {}
