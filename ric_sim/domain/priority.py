"""Who may displace whom when there is no room for all.

One number per service, as the allocation and retention priority of 3GPP TS 23.501 and the setup and holding priority of
RSVP-TE (RFC 3209) in one: a reservation may be displaced by a flow of a strictly higher number, never by its equal. Without
preemption every reservation has `LOWEST`, so nobody displaces anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.domain.service import ServiceSpec

LOWEST, HIGHEST = 0, 7
"""Range of a priority (three bits, as in RSVP-TE)."""

DEFAULT_PRIORITIES: Mapping[str, int] = {"industry": 2, "iot": 2, "voip": 2, "ar": 1}
"""By service key; a service that is not named has `LOWEST`.

Industry (uRLLC) and massive IoT stop machines when they are refused, AR makes people sick; games and video are a nuisance
at worst. Voice has the highest class because it is tiny: displacing a call frees next to nothing, so it is never a victim.
"""


def service_priorities(services: Sequence[ServiceSpec], chosen: Mapping[str, int] | None = None) -> tuple[int, ...]:
    """The priority of every service, in the order of `services`.

    Args:
        chosen: by service key, in place of `DEFAULT_PRIORITIES` as a whole.
    Raises:
        UnknownKey: a key that is none of the services.
        OutOfRange: a priority outside `LOWEST` to `HIGHEST`.
    """
    if chosen is not None:
        keys = [spec.key for spec in services]
        for key, priority in chosen.items():
            if key not in keys:
                raise UnknownKey("service", key, keys)
            check_priority(priority, f"service {key}")
    table = DEFAULT_PRIORITIES if chosen is None else chosen
    return tuple(table.get(spec.key, LOWEST) for spec in services)


def check_priority(priority: int, whose: str) -> None:
    """Raises `OutOfRange` unless `priority` is an integer from `LOWEST` to `HIGHEST`."""
    if not (isinstance(priority, int) and LOWEST <= priority <= HIGHEST):
        raise OutOfRange(f"{whose}: priority {priority!r}, expected an integer from {LOWEST} to {HIGHEST}")
