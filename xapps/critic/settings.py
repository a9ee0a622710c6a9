"""What the critic takes from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from ric_sim.radio.config import MAX_DUS, MIN_DUS
from xapps.sdk.standalone import StandaloneSettings


class CriticSettings(StandaloneSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    grpc_port: int = Field(50062, ge=0, le=65535, description="Port of the actors' streams; 0 takes a free one.")
    config: Path = Field(
        Path(__file__).parent / "live.yaml", description="What is learnt with, as `ricity train slicing` takes it."
    )
    dus: int | None = Field(None, ge=MIN_DUS, le=MAX_DUS, description="O-DUs of the network; empty: as the configuration says.")
    later_dus: int = Field(
        0, ge=0, lt=MAX_DUS, description="The last ones are not there from the start: their actors begin as the nearest's copies."
    )
    slicing_weights: str = Field(
        "none",
        min_length=1,
        description="What actors start with: none, shipped, or a folder of weights; a critic in it is gone on from, too.",
    )
    learn_seed: int = Field(0, ge=0, description="Of first weights, exploration noise and sampling.")
    push_every: int = Field(20, ge=1, description="Updates between two pushes of all actors.")
    rehearsal_steps: int = Field(
        120, ge=0, le=10_000, description="Steps of random play in an emulated network that its replay begins with."
    )
    trial_decisions: int = Field(
        40, ge=0, le=10_000, description="Decisions in that network that actors are tried over before a push; 0: they are not."
    )
    trial_margin: float = Field(0.02, ge=0, description="How much less reward than the best so far a push may have there.")
    stage_timeout_ms: float = Field(1000.0, gt=0, description="How long a push waits for actors to stage, then to activate.")
    most_behind: int = Field(
        64, ge=1, description="Updates that may be due at once; beyond them, experience is learnt from less often."
    )
    stale_after: int = Field(500, ge=1, description="Pushes after which experience of a policy is refused.")
    checkpoint_every_s: float = Field(10.0, gt=0, description="Between two checkpoints.")
    niceness: int = Field(0, ge=0, le=19, description="Added to the process's: learning can wait, decisions beside it cannot.")
    out: Path | None = Field(None, description="Folder of checkpoint.pt; empty: none is kept.")
    registry: str = Field(
        "", pattern="^(https?://.+)?$", description="URL of the model registry it publishes to; empty: it publishes nothing."
    )
    registry_model: str = Field("critic-live", pattern="^critic-[a-z][a-z0-9-]{0,31}$", description="Its name there.")
    registry_every_min: float = Field(10.0, gt=0, description="Minutes between two publications, if something was learnt.")
    registry_keep_retired: int = Field(5, ge=0, description="Of its former versions, how many keep their files.")
    token: SecretStr | None = Field(None, description="Bearer token for the registry, with role operator.")
    token_file: Path | None = Field(None, description="File with that token instead, read at each publication.")
