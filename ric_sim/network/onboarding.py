"""Services that come to a running city after the six of the paper: what they are, and what they ask for.

They use the UPFs of a service that is there, so nodes and links stay what they are, and so does all that the policies of the
other services see, but for the load (docs/city.md, "A seventh service").
"""

from __future__ import annotations

from collections.abc import Sequence

from ric_sim.domain.errors import UnknownKey
from ric_sim.domain.service import Direction, ServiceSpec, SliceId
from ric_sim.network.montreal_traffic import TRAFFIC, ServiceTraffic
from ric_sim.network.services_catalogue import SERVICES

REMOTE_SURGERY = ServiceSpec(
    key="surgery",
    label="RS",
    slice_class="uRLLC",
    slice_id=SliceId(2, "000002"),
    directions=(Direction.UPLINK, Direction.DOWNLINK),
    latency_budget_us=12_000,
    compute_ucore_per_kbps=(2, 12, 10, 10),
    processing_ns=6_000_000,
    mean_bandwidth_kbps=20_000,
    shares_upfs_of="industry",
)
"""Video up, control down: small flows that last ten minutes and must be quick."""

ONBOARDED: dict[str, ServiceSpec] = {REMOTE_SURGERY.key: REMOTE_SURGERY}

ONBOARDED_TRAFFIC: dict[str, ServiceTraffic] = {
    REMOTE_SURGERY.key: ServiceTraffic(
        flows={"train": 900, "test": 1_000},
        offered_kbps={"train": 120_000, "test": 150_000},
        paper_processing_us={},
        bundle=(1, 3),
        request_kbps=(10_000, 10_000),
        hour_weights=(2, 2, 2, 2, 2, 3, 5, 9, 12, 13, 13, 13, 11, 12, 13, 13, 12, 9, 6, 4, 3, 3, 2, 2),
        day_mix=(0.3, 0.65, 0.05),
        night_mix=(0.4, 0.55, 0.05),
    )
}

GENERATED: dict[str, ServiceTraffic] = {**TRAFFIC, **ONBOARDED_TRAFFIC}
"""Every service the day generator knows. A service's place in it names its random stream: only ever append."""


def catalogue(extra: Sequence[str] = ()) -> tuple[ServiceSpec, ...]:
    """The six services, then those of `extra` by key; so the indices of the six never change.

    Raises:
        UnknownKey: no such service to onboard.
    """
    for key in extra:
        if key not in ONBOARDED:
            raise UnknownKey("service to onboard", key, ONBOARDED)
    return (*SERVICES, *(ONBOARDED[key] for key in extra))
