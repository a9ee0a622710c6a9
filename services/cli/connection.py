"""How the command line meets a deployment: with whose certificate, with which token or password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ric_sim.domain.errors import InvalidInput
from services.common.tls import Transport

if TYPE_CHECKING:
    from ric_sim.store.access import StoreAccess


class Connection(BaseSettings):
    """From `RICITY_TLS_DIR`, `RICITY_INSECURE`, `RICITY_TOKEN`, `RICITY_STORE_PASSWORD_FILE`; others are the commands' own."""

    model_config = SettingsConfigDict(env_prefix="RICITY_", extra="ignore", frozen=True)

    tls_dir: Path | None = Field(default=None, description="Folder of the command line's certificate.")
    insecure: bool = Field(default=False, description="Plain text to other machines, too.")
    token: SecretStr | None = Field(default=None, description="Bearer token for REST interfaces.")
    store_password_file: Path | None = Field(default=None, description="File that holds the password of a store given by URL.")

    @property
    def transport(self) -> Transport:
        """For gRPC channels."""
        return Transport(self.tls_dir, self.insecure)

    @property
    def headers(self) -> dict[str, str]:
        """For REST requests."""
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"} if self.token else {}

    def store(self, url: str) -> StoreAccess:
        """A store given by URL."""
        from ric_sim.store.access import StoreAccess

        return StoreAccess(url, self.store_password_file, self.tls_dir)


def connection() -> Connection:
    """Raises `InvalidInput` for a value that does not fit."""
    try:
        return Connection()
    except ValidationError as error:
        names = ", ".join(f"RICITY_{'_'.join(map(str, issue['loc'])).upper()}: {issue['msg']}" for issue in error.errors())
        raise InvalidInput(f"unusable settings: {names}") from error
