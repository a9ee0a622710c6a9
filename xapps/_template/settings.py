"""What the xApp takes from its environment."""

from __future__ import annotations

from pydantic import Field

from xapps.sdk.settings import LIVE, XappSettings


class TemplateSettings(XappSettings):
    """`RICITY_<FIELD>` in upper case sets a field."""

    summary_reports: int = Field(16, ge=1, description="Reports between two summaries in the log.", json_schema_extra=LIVE)
