"""A service class: its chain, its demands and its identity on the network. Services are data, not code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Tier(IntEnum):
    """Functions of a chain in uplink order. Downlink visits them backwards."""

    O_RU = 0
    O_DU = 1
    O_CU = 2
    UPF = 3


class Direction(IntEnum):
    UPLINK = 0  # O-RU -> O-DU -> O-CU -> UPF
    DOWNLINK = 1  # UPF -> O-CU -> O-DU -> O-RU


@dataclass(frozen=True, slots=True)
class SliceId:
    """S-NSSAI: slice/service type (8 bit) and differentiator (24 bit hex)."""

    sst: int
    sd: str

    def __str__(self) -> str:
        return f"{self.sst}-{self.sd}"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service (paper Table 3 plus the calibrated constants of docs/city.md).

    Attributes:
        key: stable short name used in ids, files, labels and xApp names (`routing-<key>`).
        label: name for people.
        slice_class: eMBB, mMTC or uRLLC.
        slice_id: S-NSSAI.
        directions: chains the service has; a flow takes one of them.
        latency_budget_us: end-to-end budget tau_p, microseconds.
        compute_ucore_per_kbps: demand c_f per tier (O-RU, O-DU, O-CU, UPF), micro-cores per kbps.
        processing_ns: T_s, nanoseconds of processing of a mean-size flow with every host fully used.
        mean_bandwidth_kbps: bundle size at which the size factor g is 1, kbps.
        shares_upfs_of: key of another service whose UPFs serve this one, too; None: it has UPFs of its own.
    """

    key: str
    label: str
    slice_class: str
    slice_id: SliceId
    directions: tuple[Direction, ...]
    latency_budget_us: int
    compute_ucore_per_kbps: tuple[int, int, int, int]
    processing_ns: int
    mean_bandwidth_kbps: int
    shares_upfs_of: str | None = None
