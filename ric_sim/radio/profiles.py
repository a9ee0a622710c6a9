"""Traffic and mobility profiles: the one that is trained on, and those that are only evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import UnknownKey

SliceFactors = tuple[float, float, float]

_DU_LOADS: tuple[SliceFactors, ...] = (
    (1.0, 1.0, 1.0),
    (1.5, 1.0, 0.5),
    (0.5, 1.5, 1.0),
    (1.0, 0.5, 1.5),
    (1.3, 1.3, 1.3),
    (0.7, 0.7, 0.7),
)
_PERMUTED_LOADS: tuple[SliceFactors, ...] = (
    (1.3, 1.3, 1.3),
    (0.7, 0.7, 0.7),
    (1.0, 0.5, 1.5),
    (1.0, 1.0, 1.0),
    (0.5, 1.5, 1.0),
    (1.5, 1.0, 0.5),
)


@dataclass(frozen=True, slots=True)
class RadioProfile:
    """What drives a radio network, beyond its sizes.

    Attributes:
        name: key in `RADIO_PROFILES`.
        load: factors on the arrivals of each slice.
        du_loads: factors per O-DU and slice on top; the O-DU with index m takes row m modulo the rows.
        min_speed_mps, max_speed_mps: of the UEs, uniform (paper section VI.B).
        hot_ratio: part of the UEs, 0 to 1, that starts in a disc of 250 m around one O-DU.
    """

    name: str
    load: SliceFactors = (1.0, 1.0, 1.0)
    du_loads: tuple[SliceFactors, ...] = _DU_LOADS
    min_speed_mps: float = 10.0
    max_speed_mps: float = 20.0
    hot_ratio: float = 0.0

    def loads(self, n_dus: int) -> npt.NDArray[np.float64]:
        """float64 [M, 3]: factor on the arrivals per O-DU and slice."""
        rows = [self.du_loads[du % len(self.du_loads)] for du in range(n_dus)]
        return np.array(rows) * np.array(self.load)


RADIO_PROFILES: dict[str, RadioProfile] = {
    profile.name: profile
    for profile in (
        RadioProfile("nominal"),
        RadioProfile("embb_surge", load=(1.4, 1.0, 1.0)),
        RadioProfile("urllc_burst", load=(1.0, 1.0, 2.0)),
        RadioProfile("overload", load=(1.3, 1.3, 1.6)),
        RadioProfile("fast_hot", min_speed_mps=25.0, max_speed_mps=35.0, hot_ratio=0.35),
        RadioProfile("permuted", du_loads=_PERMUTED_LOADS),
        RadioProfile("even", du_loads=((1.0, 1.0, 1.0),)),
    )
}


def find_radio_profile(name: str) -> RadioProfile:
    """The profile called `name`; `UnknownKey` lists those there are."""
    try:
        return RADIO_PROFILES[name]
    except KeyError:
        raise UnknownKey("radio profile", name, RADIO_PROFILES) from None
