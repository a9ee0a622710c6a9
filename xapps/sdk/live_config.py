"""Configurations that reach an xApp while it runs: checked as those at its start are, taken at once or refused whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from ric_sim.domain.errors import ConfigRefused, RicityError, UnknownKey
from ricity.e2.v1 import xapp_pb2
from services.common.settings import load_settings, variable_of
from xapps.sdk.settings import XappSettings, live_fields

SettingsT = TypeVar("SettingsT", bound=XappSettings)
SettingsT_contra = TypeVar("SettingsT_contra", bound=XappSettings, contravariant=True)

_MAX_REASON = 500


class Reconfigurable(Protocol[SettingsT_contra]):
    """An agent, or a part of one, that obeys live settings of its own."""

    def check_settings(self, settings: SettingsT_contra) -> None:
        """Raises a `RicityError` that says why it does not take these; changes nothing."""

    def take_settings(self, settings: SettingsT_contra) -> None:
        """From the next decision on these hold. They were checked; this must not raise, and not block."""


class LiveConfig(Generic[SettingsT]):
    """What an xApp process runs on now, over all its associations with the RIC.

    Attributes:
        settings: in force.
        generation: of the configuration they are from; 0: started without one.
    """

    def __init__(self, settings: SettingsT, agent: Reconfigurable[SettingsT] | None = None, *, log: Any) -> None:
        """`agent`: asked, then told, in addition to the SDK itself."""
        self.settings = settings
        self.generation = settings.config_generation
        self._agent = agent
        self._log = log
        self._fields = type(settings).model_fields
        self._live = live_fields(type(settings))

    @property
    def variables(self) -> tuple[str, ...]:
        """`RICITY_*` variables that can change while the xApp runs."""
        return tuple(sorted(map(variable_of, self._live)))

    def take(self, notice: xapp_pb2.ConfigNotice) -> xapp_pb2.ConfigAnswer:
        """Takes what a notice says, whole, or nothing of it; the answer says which and, of a refusal, why."""
        try:
            settings = self._checked(notice)
        except RicityError as error:
            self._log.warning("config.refused", generation=notice.generation, kept=self.generation, error=str(error))
            return self._answer(notice, reason=str(error)[:_MAX_REASON] or error.code)
        if not notice.check_only:
            self._put_in_force(settings, notice.generation)
        return self._answer(notice)

    def _checked(self, notice: xapp_pb2.ConfigNotice) -> SettingsT:
        if notice.generation < self.generation:
            raise ConfigRefused(f"generation {notice.generation} is older than {self.generation}, which runs: send a newer one")
        settings = load_settings(type(self.settings), **self._merged(notice.settings))
        fixed = [name for name in self._fields if name not in self._live and self._differs(settings, name)]
        if fixed and not notice.check_only:  # who asks only may want to start another instance with these
            names = ", ".join(map(variable_of, sorted(fixed)))
            raise ConfigRefused(f"{names}: read at the start only; while it runs it takes {', '.join(self.variables)}")
        if self._agent is not None:
            self._agent.check_settings(settings)
        return settings

    def _merged(self, told: Mapping[str, str]) -> dict[str, Any]:
        """What is in force, with what is told; a live setting that is not told of goes back to its default."""
        fields = {variable_of(name): name for name in self._fields}
        for variable in told:
            if variable not in fields:
                raise UnknownKey("setting", variable, fields)
        in_force = {name: getattr(self.settings, name) for name in self._fields if name not in self._live}
        defaults = {name: self._fields[name].get_default(call_default_factory=True) for name in self._live}
        return in_force | defaults | {fields[variable]: value for variable, value in told.items()}

    def _differs(self, settings: SettingsT, name: str) -> bool:
        return bool(getattr(settings, name) != getattr(self.settings, name))

    def _put_in_force(self, settings: SettingsT, generation: int) -> None:
        changed = {name: getattr(settings, name) for name in sorted(self._live) if self._differs(settings, name)}
        if self._agent is not None:
            self._agent.take_settings(settings)
        self.settings, self.generation = settings, generation
        self._log.info("config.taken", generation=generation, **changed)

    def _answer(self, notice: xapp_pb2.ConfigNotice, reason: str = "") -> xapp_pb2.ConfigAnswer:
        return xapp_pb2.ConfigAnswer(notice_id=notice.notice_id, generation=self.generation, accepted=not reason, reason=reason)
