"""Which RAN parameters xApps may set through the conflict guard, and which KPIs those move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ric_sim.domain.errors import InvalidInput, UnknownKey
from ric_sim.radio.config import SLICES
from ric_sim.store.conflicts import Holding, ParameterSetting

THROUGHPUT, DELAY = "DRB.UEThpDl", "DRB.RlcSduDelayDl"
"""3GPP TS 28.552; labelled with the slice."""

Effects = tuple[tuple[str, int], ...]
"""(KPI, 1 or -1): the KPI rises or falls when the parameter rises."""

_KPI_OF = {"embb": (THROUGHPUT, 1), "mmtc": (THROUGHPUT, 1), "urllc": (DELAY, -1)}
_INITIAL = {"dedicated": 0, "min": 0, "max": 100}


@dataclass(frozen=True, slots=True)
class SliceRatio:
    """What an xApp wants of a slice: integers in %; the guard decides whether they keep their rules."""

    slice: str
    dedicated: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class SliceHolder:
    """An xApp that set ratios of a slice last; until `until_ms` (wall clock since 1970) only a higher priority changes them."""

    slice: str
    xapp: str
    priority: int
    until_ms: int


def _better(slice_key: str, sign: int) -> tuple[str, int]:
    kpi, way = _KPI_OF[slice_key]
    return f"{kpi}.{slice_key}", sign * way


def _kept_from_others(slice_key: str) -> Effects:
    """Of what only one can have: better for the slice, worse for every other."""
    return tuple(_better(key, 1 if key == slice_key else -1) for key in SLICES)


RATIO_COUPLINGS: Mapping[str, Effects] = {
    f"{key}.{part}": _kept_from_others(key) for key in SLICES for part in ("dedicated", "min")
}
"""Parameter -> declared effects of RRMPolicyRatio. A maximum takes nothing from anybody who needs it; whom it bounds is
the slice itself, whose three ratios are set together, so that two who differ about it are in direct conflict.
"""


def settings_of(ratios: Sequence[SliceRatio], couplings: Mapping[str, Effects] = RATIO_COUPLINGS) -> tuple[ParameterSetting, ...]:
    """The parameters that ratios set.

    Raises:
        UnknownKey: no such slice.
        InvalidInput: none, or a slice twice.
    """
    keys = [ratio.slice for ratio in ratios]
    for key in keys:
        if key not in SLICES:
            raise UnknownKey("slice", key, SLICES)
    if not keys or len(set(keys)) != len(keys):
        raise InvalidInput(f"ratios of slices {', '.join(keys) or '(none)'}: expected one or more, each slice once")
    wanted = [
        (f"{ratio.slice}.{part}", value, _INITIAL[part])
        for ratio in ratios
        for part, value in (("dedicated", ratio.dedicated), ("min", ratio.minimum), ("max", ratio.maximum))
    ]
    return tuple(ParameterSetting(name, value, initial, couplings.get(name, ())) for name, value, initial in wanted)


def ratios_in(values: Mapping[str, int]) -> list[SliceRatio]:
    """The ratio of every slice at a node, the initial one where nothing was set."""
    return [
        SliceRatio(key, *(values.get(f"{key}.{part}", _INITIAL[part]) for part in ("dedicated", "min", "max"))) for key in SLICES
    ]


def holders_in(holdings: Mapping[str, Holding]) -> list[SliceHolder]:
    """Who set ratios, by slice and name; an xApp that set several of a slice once, with the latest time."""
    latest: dict[tuple[str, str], Holding] = {}
    for name, holding in holdings.items():
        key = (name.partition(".")[0], holding.xapp)
        if key not in latest or latest[key].until_ms < holding.until_ms:
            latest[key] = holding
    return [
        SliceHolder(slice_key, xapp, latest[slice_key, xapp].priority, latest[slice_key, xapp].until_ms)
        for slice_key, xapp in sorted(latest)
    ]
