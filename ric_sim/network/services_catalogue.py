"""The six services of the built-in city: chains and budgets from paper Table 3, constants from docs/city.md."""

from __future__ import annotations

from ric_sim.domain.service import Direction, ServiceSpec, SliceId

_UP = (Direction.UPLINK,)
_DOWN = (Direction.DOWNLINK,)
_BOTH = (Direction.UPLINK, Direction.DOWNLINK)

_RU_UCORE_PER_KBPS, _DU_UCORE_PER_KBPS, _CU_UCORE_PER_KBPS = 2, 12, 10


def _compute(upf_ucore_per_kbps: int) -> tuple[int, int, int, int]:
    """The radio side costs every service the same per kbps; only the UPF differs."""
    return (_RU_UCORE_PER_KBPS, _DU_UCORE_PER_KBPS, _CU_UCORE_PER_KBPS, upf_ucore_per_kbps)


SERVICES: tuple[ServiceSpec, ...] = (
    ServiceSpec(
        key="ar",
        label="AR",
        slice_class="eMBB",
        slice_id=SliceId(1, "000001"),
        directions=_DOWN,
        latency_budget_us=20_000,
        compute_ucore_per_kbps=_compute(19),
        processing_ns=16_320_000,
        mean_bandwidth_kbps=250_000,
    ),
    ServiceSpec(
        key="gaming",
        label="CG",
        slice_class="eMBB",
        slice_id=SliceId(1, "000002"),
        directions=_DOWN,
        latency_budget_us=80_000,
        compute_ucore_per_kbps=_compute(21),
        processing_ns=10_000_000,
        mean_bandwidth_kbps=190_000,
    ),
    ServiceSpec(
        key="industry",
        label="I4",
        slice_class="uRLLC",
        slice_id=SliceId(2, "000001"),
        directions=_BOTH,
        latency_budget_us=15_000,
        compute_ucore_per_kbps=_compute(10),
        processing_ns=8_640_000,
        mean_bandwidth_kbps=175_000,
    ),
    ServiceSpec(
        key="iot",
        label="MIoT",
        slice_class="mMTC",
        slice_id=SliceId(3, "000001"),
        directions=_UP,
        latency_budget_us=10_000,
        compute_ucore_per_kbps=_compute(10),
        processing_ns=11_170_000,
        mean_bandwidth_kbps=318_750,
    ),
    ServiceSpec(
        key="video",
        label="VS",
        slice_class="eMBB",
        slice_id=SliceId(1, "000003"),
        directions=_DOWN,
        latency_budget_us=100_000,
        compute_ucore_per_kbps=_compute(10),
        processing_ns=10_540_000,
        mean_bandwidth_kbps=300_000,
    ),
    ServiceSpec(
        key="voip",
        label="VoIP",
        slice_class="eMBB",
        slice_id=SliceId(1, "000004"),
        directions=_BOTH,
        latency_budget_us=100_000,
        compute_ucore_per_kbps=_compute(9),
        processing_ns=2_130_000,
        mean_bandwidth_kbps=9_600,
    ),
)
