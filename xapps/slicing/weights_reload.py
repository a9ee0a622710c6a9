"""Swaps the actor of a dApp that no critic teaches when its weight file is replaced, e.g. by a promotion in the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import RicityError, WeightsMismatch
from ric_sim.radio.learned import actor_file
from ric_sim.radio.learned.starting import NONE, SHIPPED
from xapps.sdk.file_changes import FileChanges
from xapps.slicing.agent import SlicingAgent
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.settings import SlicingSettings
from xapps.slicing.start import starting_policy

PERIOD_S = 1.0


class WeightsReload:
    """Looks at the actor's file every `PERIOD_S`. Unusable weights are refused, and what is in use stays in use."""

    def __init__(
        self,
        settings: SlicingSettings,
        agent: SlicingAgent,
        *,
        is_taught: Callable[[], bool],
        metrics: SlicingMetrics,
        log: Any,
    ) -> None:
        """`is_taught`: a critic gives the weights now; the file waits until it has gone."""
        self._choice, self._name = settings.slicing_weights, settings.agent
        self._agent, self._is_taught, self._metrics, self._log = agent, is_taught, metrics, log
        self._changes = FileChanges(actor_file(Path(self._choice), self._name))
        self._sha256 = agent.policy.sha256 if agent.policy else ""

    async def run(self) -> None:
        """Looks until cancelled; does nothing for weights that are in no folder."""
        if self._choice in (NONE, SHIPPED):
            return
        while True:
            await asyncio.sleep(PERIOD_S)
            await self.look()

    async def look(self) -> bool:
        """Loads the file if it has changed since the last look; True when other weights were put into use."""
        facts = self._agent.facts
        if facts is None or self._is_taught() or not self._changes.look():
            return False
        try:
            policy = await asyncio.to_thread(starting_policy, self._choice, self._name, facts)
        except RicityError as error:
            self._metrics.weights["mismatch" if isinstance(error, WeightsMismatch) else "corrupt"].inc()
            self._log.error("weights.refused", path=str(self._changes.path), code=error.code, error=str(error))
            return False
        if policy is None or policy.sha256 == self._sha256:
            return False
        if self._is_taught():  # it came while the file was read
            self._changes.forget()
            return False
        self._agent.policy, self._sha256 = policy, policy.sha256
        self._metrics.weights["reloaded"].inc()
        self._log.info("weights.reloaded", path=str(self._changes.path), sha256=policy.sha256[:12], version=policy.version)
        return True
