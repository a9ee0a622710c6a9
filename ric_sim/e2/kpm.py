"""E2SM-KPM: the catalogue of measurements an E2 node offers, and their values from what the node carried in a period.

Names, units and labels follow 3GPP TS 28.552 and E2SM-KPM. One value is for the whole node, one per slice (label
SliceID, "<sst>-<sd>"). `None` stands for NO_VALUE: there was nothing to measure, which is not the same as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import UnsupportedMeasurement
from ric_sim.domain.service import Direction

IntegralArray = npt.NDArray[np.int64]

SLICE_LABEL = "SliceID"


@dataclass(frozen=True, slots=True)
class MeasurementSpec:
    """One line of the catalogue; `maximum` 0 means unbounded."""

    name: str
    unit: str
    meaning: str
    minimum: float = 0.0
    maximum: float = 0.0
    labels: tuple[str, ...] = (SLICE_LABEL,)


@dataclass(frozen=True, slots=True)
class PeriodLoad:
    """What one node carried in one period, integrated over emulated time. Int64, row = slice, column = `Direction`.

    Attributes:
        period_ms: length of the period.
        carried_kbps_ms: [slices, 2] bandwidth of the flows whose chain runs on the node.
        users_ms: [slices, 2] user requests in these flows.
        compute_ucores_ms: [slices, 2] compute these flows use on the node.
        radio_kbps_ms: [slices, 2] bandwidth on the air of the node's O-RUs, whichever node runs the chain.
    """

    period_ms: int
    carried_kbps_ms: IntegralArray
    users_ms: IntegralArray
    compute_ucores_ms: IntegralArray
    radio_kbps_ms: IntegralArray


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """What the shares of a node are taken of.

    Attributes:
        radio_kbps: per `Direction`, sum of the link capacities of the node's O-RUs; 0 if it has none.
        nominal_ucores: K_v of the host.
    """

    radio_kbps: tuple[int, int]
    nominal_ucores: int


@dataclass(frozen=True, slots=True)
class NodeValue:
    """A measurement's value for the node and for each slice, None for NO_VALUE."""

    node: float | None
    slices: tuple[float | None, ...]


Formula = Callable[[PeriodLoad, NodeCapacity], NodeValue]


def measure(name: str, load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
    """The value of measurement `name` over the period of `load`.

    Raises:
        UnsupportedMeasurement: no such name in the catalogue; lists those there are.
    """
    check_supported([name])
    return _FORMULAS[name](load, capacity)


def check_supported(names: Iterable[str]) -> None:
    """Raises `UnsupportedMeasurement` naming the first that the catalogue lacks, and all it has."""
    for name in names:
        if name not in _FORMULAS:
            raise UnsupportedMeasurement(f"measurement {name!r} is not supported; supported: {', '.join(_FORMULAS)}")


def whole_percent(parts: Iterable[int], whole: int) -> tuple[int, list[int]]:
    """100 * part / whole as integers that add up: the rounded total, and the parts by largest remainder.

    Args:
        parts: amounts >= 0.
        whole: > 0, in the unit of the parts.
    """
    scaled = [100 * part for part in parts]
    total = (2 * sum(scaled) + whole) // (2 * whole)
    shares = [amount // whole for amount in scaled]
    by_remainder = sorted(range(len(scaled)), key=lambda row: scaled[row] % whole, reverse=True)
    for row in by_remainder[: total - sum(shares)]:
        shares[row] += 1
    return total, shares


def _prb_percent(direction: Direction) -> Formula:
    def value(load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
        whole = capacity.radio_kbps[direction] * load.period_ms
        if not whole:
            return NodeValue(None, (None,) * len(load.radio_kbps_ms))
        total, shares = whole_percent(load.radio_kbps_ms[:, direction].tolist(), whole)
        return NodeValue(float(total), tuple(map(float, shares)))

    return value


def _user_throughput_kbps(direction: Direction) -> Formula:
    def value(load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
        kbps_ms, users_ms = load.carried_kbps_ms[:, direction].tolist(), load.users_ms[:, direction].tolist()
        slices = tuple(_ratio(amount, users) for amount, users in zip(kbps_ms, users_ms, strict=True))
        return NodeValue(_ratio(sum(kbps_ms), sum(users_ms)), slices)

    return value


def _volume_kbit(direction: Direction) -> Formula:
    def value(load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
        return _additive(load.carried_kbps_ms[:, direction], whole=1000)

    return value


def _mean_users(load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
    return _additive(load.users_ms.sum(axis=1), whole=load.period_ms)


def _compute_percent(load: PeriodLoad, capacity: NodeCapacity) -> NodeValue:
    whole = capacity.nominal_ucores * load.period_ms
    used = load.compute_ucores_ms.sum(axis=1)
    return _additive(100 * used, whole=whole) if whole else NodeValue(None, (None,) * len(used))


def _additive(amounts: IntegralArray, *, whole: int) -> NodeValue:
    parts = amounts.tolist()
    return NodeValue(sum(parts) / whole, tuple(part / whole for part in parts))


def _ratio(amount: int, divisor: int) -> float | None:
    return amount / divisor if divisor else None


_FORMULAS: dict[str, Formula] = {
    "RRU.PrbTotDl": _prb_percent(Direction.DOWNLINK),
    "RRU.PrbTotUl": _prb_percent(Direction.UPLINK),
    "DRB.UEThpDl": _user_throughput_kbps(Direction.DOWNLINK),
    "DRB.UEThpUl": _user_throughput_kbps(Direction.UPLINK),
    "DRB.PdcpSduVolumeDL": _volume_kbit(Direction.DOWNLINK),
    "DRB.PdcpSduVolumeUL": _volume_kbit(Direction.UPLINK),
    "RRC.ConnMean": _mean_users,
    "VR.VCpuUsageMean": _compute_percent,
}

CATALOGUE: tuple[MeasurementSpec, ...] = (
    MeasurementSpec(
        "RRU.PrbTotDl", "%", "Share of the downlink air capacity of the node's O-RUs in use, whole percent.", maximum=100
    ),
    MeasurementSpec(
        "RRU.PrbTotUl", "%", "Share of the uplink air capacity of the node's O-RUs in use, whole percent.", maximum=100
    ),
    MeasurementSpec("DRB.UEThpDl", "kbit/s", "Mean downlink throughput of one user request; no value without users."),
    MeasurementSpec("DRB.UEThpUl", "kbit/s", "Mean uplink throughput of one user request; no value without users."),
    MeasurementSpec("DRB.PdcpSduVolumeDL", "kbit", "Downlink volume carried in the period."),
    MeasurementSpec("DRB.PdcpSduVolumeUL", "kbit", "Uplink volume carried in the period."),
    MeasurementSpec("RRC.ConnMean", "count", "Mean number of user requests being served."),
    MeasurementSpec("VR.VCpuUsageMean", "%", "Mean use of the host's nominal compute.", maximum=100),
)
"""Every measurement, in the order it is listed to subscribers. O-DUs and O-CUs offer them all."""
