"""What a routing xApp takes from its environment."""

from __future__ import annotations

from pydantic import Field, field_validator

from ric_sim.network.policies import POLICIES
from xapps.sdk.settings import XappSettings


class RoutingSettings(XappSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    service: str = Field(pattern="^[a-z][a-z0-9-]{0,31}$", description="Key of the service it routes; names the xApp.")
    policy: str = Field("cspf", description="How it routes; a name in ric_sim.network.policies.POLICIES.")
    policy_seed: int = Field(0, ge=0, description="Seed of policies that draw at random.")

    @field_validator("policy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in POLICIES:
            raise ValueError(f"expected one of {', '.join(sorted(POLICIES))}")
        return value
