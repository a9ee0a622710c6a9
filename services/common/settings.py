"""Wiring of a process, read from `RICITY_*` environment variables. Nothing else reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ric_sim.domain.errors import InvalidInput, UnknownKey
from services.common.tls import Transport

_PREFIX = "RICITY_"
_NOT_SETTINGS = ("RICITY_TEST_",)
"""Prefixes of variables that steer the test suite, not a process."""


class ProcessSettings(BaseSettings):
    """What every process takes; each adds its own fields. `RICITY_<FIELD>` in upper case sets a field."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address its ports are bound to; 0.0.0.0 in a container.")
    status_port: int = Field(0, ge=0, le=65535, description="HTTP port of /metrics and health; 0 takes a free one.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe level that is logged.")
    ready_file: Path | None = Field(None, description="Written once the process takes work: pid and ports as JSON.")
    tls_dir: Path | None = Field(None, description="Folder of ca.crt, tls.crt and tls.key; empty: plain text, on loopback only.")
    insecure: bool = Field(default=False, description="Plain text and no identities beyond loopback, too (docs/security.md).")
    die_with_parent: bool = Field(default=False, description="End when the launcher ends (Linux).")

    @property
    def transport(self) -> Transport:
        """How this process meets its peers."""
        return Transport(self.tls_dir, self.insecure)


class StoreSettings(ProcessSettings):
    """Of a process that opens the store itself. `rediss` URLs take the certificates of `tls_dir`."""

    store_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="redis://host:port/db, rediss://..., unix:///path or redis+sentinel://host:port,.../service[/db].",
    )
    store_password_file: Path | None = Field(None, description="File that holds the store's password, read at each connection.")
    namespace: str = Field("city", description="Namespace in the store; one per run of a city.")


def variable_of(field: str) -> str:
    """The environment variable that sets a field."""
    return f"{_PREFIX}{field.upper()}"


SettingsT = TypeVar("SettingsT", bound=ProcessSettings)


def load_settings(cls: type[SettingsT], **overrides: Any) -> SettingsT:
    """Reads the settings of a process.

    Raises:
        UnknownKey: a `RICITY_*` variable that the process does not know; names the nearest one.
        InvalidInput: a value that does not fit; says which variable, what was given and what is expected.
    """
    known = {variable_of(name) for name in cls.model_fields}
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in known and not name.startswith(_NOT_SETTINGS):
            raise UnknownKey("environment variable", name, known)
    try:
        return cls(**overrides)
    except ValidationError as error:
        lines = [
            f"{_PREFIX}{'_'.join(map(str, issue['loc'])).upper()}={issue.get('input')!r}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise InvalidInput("unusable settings: " + "; ".join(lines)) from error
