"""How many requests came and what became of each, by service: what shows whether an upgrade lost one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ric_sim.e2.delivery import Instance, Pending


@dataclass(slots=True)
class Tally:
    """Requests since the RIC started.

    Attributes:
        received_total: taken in; one sent again while it waits counts once.
        answered_total: by an xApp instance, with a route or a reject.
        defaulted_total: by the RIC, with the node's default action.
        given_up_total: the node took its default action by itself.
        doubled_total: answers to requests that had their answer already.
    """

    received_total: int = 0
    answered_total: int = 0
    defaulted_total: int = 0
    given_up_total: int = 0
    doubled_total: int = 0


class RequestTally:
    """A `Tally` per service; counts for the instances that answer, too."""

    def __init__(self, n_services: int) -> None:
        self._services = [Tally() for _ in range(n_services)]

    def received(self, service: int) -> None:
        """A request was taken in."""
        self._services[service].received_total += 1

    def given_up(self, service: int) -> None:
        """A waiting request was ended by its node."""
        self._services[service].given_up_total += 1

    def answered(self, pending: Pending, outcome: str, *, is_first: bool) -> None:
        """An answer leaves: `outcome` is applied, rejected or default. Called before the request leaves its instance."""
        tally = self._services[pending.flow.service]
        if not is_first:
            tally.doubled_total += 1
            return
        if outcome == "default":
            tally.defaulted_total += 1
        else:
            tally.answered_total += 1
        if pending.instance is not None:
            _count(pending.instance, outcome)

    def totals(self, services: Iterable[int]) -> dict[str, int]:
        """Sums over services, by the names of `Tally`."""
        total = asdict(Tally())
        for service in services:
            for name, count in asdict(self._services[service]).items():
                total[name] += count
        return total


def _count(instance: Instance, outcome: str) -> None:
    if outcome == "applied":
        instance.applied_total += 1
    elif outcome == "rejected":
        instance.rejected_total += 1
    else:
        instance.defaulted_total += 1
