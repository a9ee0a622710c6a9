"""Settings of the auditor process."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import StoreSettings


class AuditorSettings(StoreSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    every_s: float = Field(300.0, gt=0, le=86_400, description="From the end of an audit to the next; each reads the whole log.")
    store_patience_s: float = Field(2.0, gt=0, description="How long the store may not answer before an audit is given up.")
