"""What the six services of the built-in city ask for: paper Tables 1 to 3, and the chosen shape of the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "test"]

ZoneMix = tuple[float, float, float]
"""Shares of a service's users in residential, business and industrial zones; sums to 1."""

DAY_HOURS = range(8, 18)
"""Hours in which `ServiceTraffic.day_mix` holds; `night_mix` in the others."""

HOURLY_NOISE_SIGMA = 0.08
"""Log-normal spread of an hour's share about the typical day."""

SEEDS: Mapping[Split, int] = {"train": 20260101, "test": 20260102}


@dataclass(frozen=True, slots=True)
class ServiceTraffic:
    """Demand of one service.

    Attributes:
        flows: per split, requests of the day (paper Tables 1 and 2).
        offered_kbps: per split, mean over the day of the load in progress ("mean total bandwidth", same tables).
        paper_processing_us: per split, mean processing delay (same tables); only compared against.
        bundle: fewest and most user requests in one flow (Table 3).
        request_kbps: lowest and highest rate of one user request, the bundle shares it; drawn in whole Mbps if they differ.
        hour_weights: 24 relative arrival rates.
        day_mix, night_mix: where the users are.
    """

    flows: Mapping[Split, int]
    offered_kbps: Mapping[Split, int]
    paper_processing_us: Mapping[Split, int]
    bundle: tuple[int, int]
    request_kbps: tuple[int, int]
    hour_weights: tuple[int, ...]
    day_mix: ZoneMix
    night_mix: ZoneMix


def _splits(train: int, test: int) -> Mapping[Split, int]:
    return {"train": train, "test": test}


TRAFFIC: dict[str, ServiceTraffic] = {
    "ar": ServiceTraffic(
        flows=_splits(2_100, 1_594),
        offered_kbps=_splits(1_210_640, 1_561_890),
        paper_processing_us=_splits(5_210, 6_720),
        bundle=(1, 4),
        request_kbps=(100_000, 100_000),
        hour_weights=(2, 1, 1, 1, 1, 2, 3, 5, 7, 9, 10, 11, 12, 12, 12, 12, 12, 12, 11, 10, 9, 7, 5, 3),
        day_mix=(0.3, 0.6, 0.1),
        night_mix=(0.6, 0.35, 0.05),
    ),
    "gaming": ServiceTraffic(
        flows=_splits(8_430, 6_009),
        offered_kbps=_splits(651_080, 841_500),
        paper_processing_us=_splits(2_930, 3_790),
        bundle=(40, 55),
        request_kbps=(4_000, 4_000),
        hour_weights=(6, 4, 3, 2, 2, 2, 2, 3, 4, 5, 5, 6, 6, 6, 6, 7, 8, 9, 10, 12, 13, 13, 11, 9),
        day_mix=(0.75, 0.2, 0.05),
        night_mix=(0.85, 0.12, 0.03),
    ),
    "industry": ServiceTraffic(
        flows=_splits(6_020, 8_545),
        offered_kbps=_splits(708_600, 917_040),
        paper_processing_us=_splits(2_410, 3_120),
        bundle=(1, 4),
        request_kbps=(70_000, 70_000),
        hour_weights=(4, 4, 4, 4, 4, 5, 7, 10, 12, 12, 12, 12, 11, 12, 12, 12, 11, 10, 8, 7, 6, 5, 5, 4),
        day_mix=(0.05, 0.15, 0.8),
        night_mix=(0.05, 0.1, 0.85),
    ),
    "iot": ServiceTraffic(
        flows=_splits(7_812, 5_500),
        offered_kbps=_splits(839_350, 1_097_470),
        paper_processing_us=_splits(2_850, 3_730),
        bundle=(10, 15),
        request_kbps=(1_000, 50_000),
        hour_weights=(7, 6, 6, 6, 6, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 9, 8, 8, 7, 7),
        day_mix=(0.35, 0.3, 0.35),
        night_mix=(0.4, 0.2, 0.4),
    ),
    "video": ServiceTraffic(
        flows=_splits(9_241, 6_635),
        offered_kbps=_splits(907_460, 1_162_290),
        paper_processing_us=_splits(3_090, 3_950),
        bundle=(50, 100),
        request_kbps=(4_000, 4_000),
        hour_weights=(6, 4, 3, 2, 2, 2, 3, 4, 5, 6, 6, 7, 8, 7, 7, 7, 8, 9, 11, 13, 14, 14, 12, 9),
        day_mix=(0.6, 0.35, 0.05),
        night_mix=(0.85, 0.12, 0.03),
    ),
    "voip": ServiceTraffic(
        flows=_splits(13_458, 18_778),
        offered_kbps=_splits(212_440, 275_050),
        paper_processing_us=_splits(700, 910),
        bundle=(100, 200),
        request_kbps=(64, 64),
        hour_weights=(1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 11, 12, 13, 13, 13, 12, 9, 7, 6, 5, 3, 2),
        day_mix=(0.3, 0.6, 0.1),
        night_mix=(0.75, 0.2, 0.05),
    ),
}
