"""What a slicing dApp takes from its environment."""

from __future__ import annotations

from pydantic import Field

from ric_sim.radio.config import MAX_DUS
from xapps.sdk.standalone import StandaloneSettings
from xapps.slicing.agent import EXPLORE_SIGMA


class SlicingSettings(StandaloneSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    du: int = Field(ge=0, lt=MAX_DUS, description="Index of the O-DU it decides for.")
    radio: str = Field("127.0.0.1:50061", description="host:port of the radio network.")
    critic: str = Field("127.0.0.1:50062", description="host:port of the critic; empty: none, the rule decides.")
    slicing_weights: str = Field(
        "none",
        min_length=1,
        description="What it starts with: none (the rule decides), shipped, or a folder of weights, which it follows.",
    )
    explore: bool = Field(default=True, description="Actions are drawn while a critic learns from them; else the likeliest ones.")
    explore_sigma: float = Field(
        EXPLORE_SIGMA,
        gt=0,
        description="Largest spread of drawn actions before the sigmoid: a network in service is not for wild tries.",
    )
    explore_seed: int = Field(0, ge=0, description="Of the actions drawn.")
    batch_transitions: int = Field(16, ge=1, le=256, description="Transitions sent together.")
    buffer_batches: int = Field(256, ge=1, le=65_536, description="Batches kept until the critic has acknowledged them.")

    @property
    def version(self) -> str:
        """It registers with."""
        return self.version_of("slicing")

    @property
    def agent(self) -> str:
        """Its actor's name."""
        return f"du_{self.du}"
