"""The day generator: every request of a train or test day of the built-in city, from one seed (docs/city.md, "The day")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction, ServiceSpec
from ric_sim.network import montreal_data as data
from ric_sim.network.city import City, NodeKind
from ric_sim.network.montreal import build_city, ru_district
from ric_sim.network.montreal_traffic import DAY_HOURS, HOURLY_NOISE_SIGMA, SEEDS, ServiceTraffic, Split, ZoneMix
from ric_sim.network.onboarding import GENERATED
from ric_sim.network.profiles import find_profile
from ric_sim.network.traffic import DAY_MS, Day, selection, sorted_day

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_HOUR_MS = 3_600_000
_STREAM = {key: number for number, key in enumerate(GENERATED)}
_SHORTEST_HOLDING = 0.001
"""Added to the unit exponential, so that no flow ends as it begins."""
_HOLDING_STEPS = 30


def generate_day(
    city: City,
    split: Split,
    *,
    profile: str = "paper",
    seed: int | None = None,
    bundles_per_flow: float | Mapping[str, float] = 1.0,
    hold_scale: float | None = None,
) -> Day:
    """One day of requests: exactly the paper's number of flows per service and its mean load. Same arguments, same bytes.

    Args:
        city: the built-in city, or one with the same O-RUs (changed links, hosts or service constants are fine).
        split: which of paper Tables 1 and 2.
        profile: gives the holding scale and, for a short profile, the part of the day that is kept.
        seed: None for the split's own (`SEEDS`); another one gives another day with the same statistics.
        bundles_per_flow: multiplies the user requests in a flow, for all services or by service key. Holding times
            shrink with it, for the offered load stays that of the paper.
        hold_scale: multiplies the holding times, and with them the offered load; None for the profile's.

    Raises:
        UnknownKey: split, profile or service.
        InvalidInput: a city with other O-RUs.
        OutOfRange: a negative seed, or a scale that is not a number above 0.
    """
    if split not in SEEDS:
        raise UnknownKey("day", split, SEEDS)
    chosen = find_profile(profile)
    _check_city(city)
    seed = SEEDS[split] if seed is None else seed
    if seed < 0:
        raise OutOfRange(f"a seed is 0 or more, got {seed}")
    hold_scale = _positive("hold_scale", chosen.hold_scale if hold_scale is None else hold_scale)
    parts = []
    for spec in city.services:
        bundles = bundles_per_flow.get(spec.key, 1.0) if isinstance(bundles_per_flow, Mapping) else bundles_per_flow
        # A stream per service: what one service draws never shifts another's flows.
        stream = np.random.SeedSequence(seed, spawn_key=(_STREAM[spec.key],))
        flows = _draw_flows(
            np.random.default_rng(stream), spec, split, bundles=_positive("bundles_per_flow", bundles), hold_scale=hold_scale
        )
        parts.append(_placed(city, spec, flows))
    name = split if seed == SEEDS[split] else f"{split}-{seed}"
    day = sorted_day(name, {column: np.concatenate([part[column] for part in parts]) for column in parts[0]})
    if chosen.window is None:
        return day
    kept = np.flatnonzero(day.end_ms > chosen.window.start_ms)[: chosen.window.max_flows]
    return selection(day, f"{name}-{chosen.name}", kept)


def _positive(knob: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise OutOfRange(f"{knob} must be a number above 0, got {value}")
    return value


def _check_city(city: City) -> None:
    for spec in city.services:
        if spec.key not in GENERATED:
            raise UnknownKey("service of the day generator", spec.key, GENERATED)
    if _ru_names(city) != _ru_names(build_city()):
        raise InvalidInput(
            f"city {city.name!r} has other O-RUs than the built-in one, whose districts the day generator uses: give a flow file"
        )


def _ru_names(city: City) -> list[str]:
    return [city.node_names[node] for node in city.nodes_of(NodeKind.O_RU).tolist()]


def _draw_flows(
    rng: np.random.Generator, spec: ServiceSpec, split: Split, *, bundles: float, hold_scale: float
) -> dict[str, IntArray]:
    """The flows of one service, unsorted; `ru` counts O-RUs. The order of the draws is part of the day's identity."""
    traffic = GENERATED[spec.key]
    n_flows = traffic.flows[split]
    arrival_ms, hour = _draw_arrivals(rng, traffic, n_flows)
    ru_by_day = rng.choice(len(ru_district()), n_flows, p=_ru_weights(traffic.day_mix))
    ru_by_night = rng.choice(len(ru_district()), n_flows, p=_ru_weights(traffic.night_mix))
    n_requests = rng.integers(traffic.bundle[0], traffic.bundle[1], n_flows, endpoint=True)
    request_kbps = _draw_request_kbps(rng, traffic, n_flows)
    direction = np.full(n_flows, spec.directions[0])
    if len(spec.directions) > 1:
        direction = np.where(rng.random(n_flows) < 0.5, Direction.UPLINK, Direction.DOWNLINK)
    unit_holding = rng.exponential(1.0, n_flows) + _SHORTEST_HOLDING

    n_requests = np.maximum(1, np.rint(n_requests * bundles)).astype(np.int64)
    bandwidth_kbps = n_requests * request_kbps
    mean_holding_s = _holding_scale_s(unit_holding, arrival_ms, bandwidth_kbps, offered_kbps=traffic.offered_kbps[split])
    return {
        "arrival_ms": arrival_ms,
        "holding_ms": np.maximum(1, np.rint(unit_holding * mean_holding_s * hold_scale * 1000)).astype(np.int64),
        "direction": direction,
        "ru": np.where((hour >= DAY_HOURS.start) & (hour < DAY_HOURS.stop), ru_by_day, ru_by_night),
        "bandwidth_kbps": bandwidth_kbps,
        "n_requests": n_requests,
    }


def _draw_arrivals(rng: np.random.Generator, traffic: ServiceTraffic, n_flows: int) -> tuple[IntArray, IntArray]:
    """Arrival times in ms and their hours: a Poisson process, constant inside each hour, given the day's total."""
    weights = np.array(traffic.hour_weights) * rng.lognormal(0.0, HOURLY_NOISE_SIGMA, len(traffic.hour_weights))
    per_hour = rng.multinomial(n_flows, weights / weights.sum())
    hour = np.repeat(np.arange(len(per_hour)), per_hour)
    # Rounded down: the last instant of an hour never becomes the first of the next.
    arrival_ms = np.floor((hour + rng.random(n_flows)) * _HOUR_MS).astype(np.int64)
    return arrival_ms, hour


def _draw_request_kbps(rng: np.random.Generator, traffic: ServiceTraffic, n_flows: int) -> IntArray:
    lowest, highest = traffic.request_kbps
    if lowest == highest:
        return np.full(n_flows, lowest)
    return rng.integers(lowest // 1000, highest // 1000, n_flows, endpoint=True) * 1000


def _ru_weights(mix: ZoneMix) -> FloatArray:
    """[n_ru] probabilities: the zones' shares of each district, split over its O-RUs by how busy they are."""
    zones = np.array([(district.residential, district.business, district.industrial) for district in data.DISTRICTS])
    weights = _ru_populations() * (zones / zones.sum(axis=0) @ np.array(mix))[ru_district()]
    return weights / weights.sum()


@lru_cache
def _ru_populations() -> FloatArray:
    """[n_ru] share of its district's users at each O-RU."""
    district = ru_district()
    rng = np.random.default_rng(data.RU_POPULATION_SEED)
    population = rng.lognormal(0.0, data.RU_POPULATION_SIGMA, len(district))
    return population / np.bincount(district, population)[district]


def _holding_scale_s(unit_holding: FloatArray, arrival_ms: IntArray, bandwidth_kbps: IntArray, *, offered_kbps: int) -> float:
    """The mean holding time with which the load in progress, up to midnight, averages `offered_kbps` over the day.

    A fixed-point iteration; flows cut off at midnight are why there is no closed form. Rounded to a microsecond, so
    that the order in which a machine sums does not show.
    """
    day_s, until_midnight_s = DAY_MS / 1000, (DAY_MS - arrival_ms) / 1000
    scale_s = 1.0
    for _ in range(_HOLDING_STEPS):
        held_s = np.minimum(unit_holding * scale_s, until_midnight_s)
        scale_s *= offered_kbps * day_s / float(np.sum(bandwidth_kbps * held_s))
    return round(scale_s, 6)


def _placed(city: City, spec: ServiceSpec, flows: dict[str, IntArray]) -> dict[str, IntArray]:
    """With the service's index and the node indices of O-RU and, downlink, UPF; several UPFs take turns."""
    service = city.service_index[spec.key]
    upfs = city.upfs_of(service)
    turns = upfs[np.arange(len(flows["ru"])) % len(upfs)]
    return flows | {
        "service": np.full(len(flows["ru"]), service),
        "ru": city.nodes_of(NodeKind.O_RU)[flows["ru"]].astype(np.int64),
        "upf": np.where(flows["direction"] == Direction.DOWNLINK, turns, ANY_UPF),
    }
