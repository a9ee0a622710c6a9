"""What an A/B test asks of the lifecycle: whether versions change otherwise, and to make its verdict last."""

from __future__ import annotations

from collections.abc import Callable

from services.manager.lifecycle.driver import Driver
from services.manager.lifecycle.model import WHOLE_WEIGHT
from services.manager.lifecycle.ric_view import RicAdmin
from services.manager.lifecycle.service import Lifecycle


class AbOperations:
    """The lifecycle as an A/B test sees it."""

    def __init__(self, lifecycle: Lifecycle, driver: Driver, ric: RicAdmin) -> None:
        self._lifecycle = lifecycle
        self._driver = driver
        self._ric = ric

    def is_changing(self, xapp: str) -> bool:
        """A rollout of the xApp is under way."""
        return self._lifecycle.reconciler.rollout_of(xapp) is not None

    def yield_to(self, trial_of: Callable[[str], str]) -> None:
        """From now on versions are left alone while `trial_of` names an A/B test of their xApp; empty: there is none."""
        self._lifecycle.trial_of = trial_of

    async def settle(self, xapp: str, *, winner: str, loser: str) -> None:
        """The winner serves from now on; what the manager has started of the loser is drained and stopped.

        Done again it changes nothing more. Raises `DriverUnavailable`, `RicUnreachable`.
        """
        self._lifecycle.promote(xapp, winner=winner, loser=loser)
        await self._ric.set_weight(xapp, winner, WHOLE_WEIGHT, keep=False)
        await self._ric.set_weight(xapp, loser, 0, keep=True)
        for workload in await self._driver.workloads():
            if workload.name == xapp and workload.version == loser:
                await self._driver.stop(workload.instance_id)
