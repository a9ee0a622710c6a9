"""Profiles: how hard the built-in city is, and how much of its day is played."""

from __future__ import annotations

from dataclasses import dataclass

from ric_sim.domain.errors import UnknownKey


@dataclass(frozen=True, slots=True)
class DayWindow:
    """The part of a day a short profile plays: every flow still held at `start_ms`, then the arrivals from there on.

    Attributes:
        start_ms: emulated time since midnight.
        max_flows: how many flows in all, held and arriving.
    """

    start_ms: int
    max_flows: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One setting of the built-in city and its days (docs/city.md, "Profiles").

    Attributes:
        name: key in `PROFILES`.
        far_latency_us: fixed part of the latency of a link to a regional host.
        cpu_scale_percent: share of the nominal compute of O-DU, O-CU and UPF that exists for admission (O-RU keep all).
        hold_scale: factor on every holding time; offered load is proportional to it.
        window: the part of the day that is played, None for all of it.
        onboarded: keys of the services that come on top of the six (`ric_sim.network.onboarding`).
    """

    name: str
    far_latency_us: int
    cpu_scale_percent: int
    hold_scale: float = 1.0
    window: DayWindow | None = None
    onboarded: tuple[str, ...] = ()


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("paper", far_latency_us=1_400, cpu_scale_percent=100),
        Profile("congested", far_latency_us=2_000, cpu_scale_percent=90),
        Profile("stress", far_latency_us=2_000, cpu_scale_percent=75),
        Profile("paper-7", far_latency_us=1_400, cpu_scale_percent=100, onboarded=("surgery",)),
        Profile("smoke", far_latency_us=1_400, cpu_scale_percent=100, window=DayWindow(start_ms=16 * 3_600_000, max_flows=400)),
    )
}


def find_profile(name: str) -> Profile:
    """The profile called `name`; `UnknownKey` lists those there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UnknownKey("profile", name, PROFILES) from None
