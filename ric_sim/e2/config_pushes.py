"""Configurations on their way to attached xApp instances, and what those say to them. Nothing is kept: who sends one looks
again whether it runs, and sends it again to an instance that says otherwise."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ric_sim.domain.errors import InvalidInput, OversizeMessage
from ric_sim.e2.delivery import Instance
from ric_sim.e2.ports import XappPort
from ricity.e2.v1 import admin_pb2, xapp_pb2

ANSWER_WITHIN_S = 2.0
"""An instance that has not answered by then has not answered."""

MAX_SETTINGS = 100
MAX_VALUE_LENGTH = 4096
MAX_GENERATION = 2**53
_SETTING = re.compile(r"RICITY_[A-Z0-9_]{1,60}")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to run. `settings`: `RICITY_*` variables, whole. `check_only`: it is only asked about."""

    generation: int
    settings: Mapping[str, str]
    check_only: bool


class ConfigPushes:
    """Notices without an answer. One event loop, no locks."""

    def __init__(self) -> None:
        self._ports: dict[str, list[XappPort]] = {}
        self._waiting: dict[tuple[XappPort, int], asyncio.Future[xapp_pb2.ConfigAnswer | None]] = {}
        self._last_notice = 0

    def attached(self, port: XappPort) -> None:
        """A registered instance."""
        self._ports.setdefault(_instance(port).xapp_name, []).append(port)

    def detached(self, port: XappPort) -> None:
        """The instance is gone; it answers nothing any more."""
        name = _instance(port).xapp_name
        others = [other for other in self._ports.get(name, ()) if other is not port]
        if others:
            self._ports[name] = others
        else:
            self._ports.pop(name, None)
        for (waited_for, _), answer in self._waiting.items():
            if waited_for is port and not answer.done():
                answer.set_result(None)

    def answered(self, port: XappPort, answer: xapp_pb2.ConfigAnswer) -> None:
        """An instance's word. Raises `InvalidInput` for a generation that cannot be; a late answer still says what it runs."""
        if answer.generation > MAX_GENERATION:
            raise InvalidInput(f"{port.label} runs configuration {answer.generation}: expected at most {MAX_GENERATION}")
        _instance(port).config_generation = answer.generation
        waiting = self._waiting.get((port, answer.notice_id))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def push(
        self, xapp_name: str, instance_ids: Iterable[str], configuration: Configuration
    ) -> list[admin_pb2.InstanceConfig]:
        """Tells instances of an xApp (all if none is named); what each said within `ANSWER_WITHIN_S`.

        Raises:
            OversizeMessage: more settings, or longer ones, than an xApp is told of.
            InvalidInput: a name that no setting has, or no generation. In both cases nobody was told.
        """
        check_configuration(configuration)
        chosen = set(instance_ids)
        ports = [port for port in self._ports.get(xapp_name, ()) if not chosen or _instance(port).instance_id in chosen]
        return list(await asyncio.gather(*(self._tell(port, configuration) for port in ports)))

    async def _tell(self, port: XappPort, configuration: Configuration) -> admin_pb2.InstanceConfig:
        self._last_notice += 1
        notice = xapp_pb2.ConfigNotice(
            notice_id=self._last_notice,
            generation=configuration.generation,
            settings=configuration.settings,
            check_only=configuration.check_only,
        )
        key = port, notice.notice_id
        self._waiting[key] = asyncio.get_running_loop().create_future()
        port.push(xapp_pb2.AttachResponse(config=notice))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._waiting[key]
        except TimeoutError:
            answer = None
        finally:
            del self._waiting[key]
        return _result(port, answer)


def check_configuration(configuration: Configuration) -> None:
    """As `ConfigPushes.push` raises."""
    if not 1 <= configuration.generation <= MAX_GENERATION:
        raise InvalidInput(f"configuration generation {configuration.generation}: expected 1 to {MAX_GENERATION}")
    if len(configuration.settings) > MAX_SETTINGS:
        raise OversizeMessage(f"{len(configuration.settings)} settings in one configuration: send at most {MAX_SETTINGS}")
    check_setting_names(configuration.settings)
    for name, value in configuration.settings.items():
        if len(value) > MAX_VALUE_LENGTH:
            raise OversizeMessage(f"{name} of {len(value)} characters: send at most {MAX_VALUE_LENGTH}")


def check_setting_names(names: Iterable[str]) -> None:
    """Raises `InvalidInput` for a name that is no `RICITY_*` variable."""
    for name in names:
        if not _SETTING.fullmatch(name):
            raise InvalidInput(f"setting {name[:80]!r}: expected RICITY_ and upper-case letters, digits and '_'")


def _result(port: XappPort, answer: xapp_pb2.ConfigAnswer | None) -> admin_pb2.InstanceConfig:
    instance = _instance(port)
    if answer is None:
        outcome, reason = admin_pb2.CONFIG_OUTCOME_UNANSWERED, f"no answer within {ANSWER_WITHIN_S:g} s"
    elif answer.accepted:
        outcome, reason = admin_pb2.CONFIG_OUTCOME_ACCEPTED, ""
    else:
        outcome, reason = admin_pb2.CONFIG_OUTCOME_REFUSED, answer.reason
    return admin_pb2.InstanceConfig(
        instance_id=instance.instance_id, xapp_version=instance.version, outcome=outcome, reason=reason
    )


def _instance(port: XappPort) -> Instance:
    assert port.instance is not None, "only registered instances come here"
    return port.instance
