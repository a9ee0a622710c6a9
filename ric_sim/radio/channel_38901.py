"""The urban microcell of 3GPP TR 38.901 as a channel: line of sight, path loss, shadowing, clusters of rays.

Computed by Sionna (optional extra `channel38901`), which brings its own array library; nothing else of the simulator needs it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.radio.arrays import RBS_PER_BLOCK, Network, SingleArray, State
from ric_sim.radio.config import RB_BANDWIDTH_HZ
from ric_sim.radio.kernels_traffic import group_active

CARRIER_HZ = 3.5e9
RADIO_UNIT_HEIGHT_M, UE_HEIGHT_M = 10.0, 1.5
"""TR 38.901 table 7.2-1, scenario UMi street canyon."""

KEPT_FRAMES = 1000
"""Frames of one world whose gains are kept, 120 kB each with 200 UEs and 6 O-DUs: policies that play the same seed share them."""


class UrbanMicroChannel:
    """Power gains of UMi street canyon, all UEs outdoors, one vertical omnidirectional antenna at either end, no beamforming.

    With shadowing the nearest radio unit is often not the one that is received best: UEs are served by the latter, by the mean
    gain over the band.

    Every frame is a snapshot: line of sight, shadowing and rays are drawn anew, correlated between UEs that stand close to each
    other but not from frame to frame (0.5 s lie between two of them, 5 to 10 m of movement, about the correlation distance of the
    shadowing). All fading blocks of a link share its rays, so fading is correlated over frequency.
    """

    name = "38901"

    def __init__(self) -> None:
        """
        Raises:
            ModuleNotFoundError: Sionna is not installed.
        """
        from sionna.phy import config
        from sionna.phy.channel import tr38901

        self._library_config, self._library = config, tr38901
        self._kept: OrderedDict[tuple[int, bytes, bytes], SingleArray] = OrderedDict()

    def begin_episode(self, network: Network, state: State) -> None:
        """Nothing is kept from frame to frame."""

    def receive(self, network: Network, state: State) -> None:
        """Writes the rows of all UEs, as random numbers may not hang on who is active, then `serving` and the groups by it."""
        for world in range(len(state.key)):
            gains = self._gains(network, state, world)
            state.power_w[world] = np.float32(network.rb_power_w) * gains
            state.serving[world] = gains.mean(axis=-1).argmax(axis=-1)
            group_active(network, state, world)

    def _gains(self, network: Network, state: State, world: int) -> SingleArray:
        """Power gains float32 [N, M, S], computed once per seed, frame and places; 0 from O-DUs that are off, infinitely far."""
        place = np.stack((state.x_m[world], state.y_m[world])).tobytes()
        key = (int(state.key[world]), place, network.du_x_m.tobytes())
        if key not in self._kept:
            on_air = np.isfinite(network.du_x_m)
            _, n_ues, n_dus, n_blocks = state.power_w.shape
            gains = np.zeros((n_ues, n_dus, n_blocks), dtype=np.float32)
            ues_m, dus_m = (state.x_m[world], state.y_m[world]), (network.du_x_m[on_air], network.du_y_m[on_air])
            gains[:, on_air] = self.link_gains(ues_m, dus_m, n_blocks, seed=key[0])
            self._kept[key] = gains
            while len(self._kept) > KEPT_FRAMES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def link_gains(
        self,
        ues_m: tuple[npt.ArrayLike, npt.ArrayLike],
        dus_m: tuple[npt.ArrayLike, npt.ArrayLike],
        n_blocks: int,
        *,
        seed: int,
        line_of_sight: bool | None = None,
    ) -> SingleArray:
        """Power gains float32 [N, M, n_blocks] between places on the ground.

        Args:
            ues_m, dus_m: x and y of N UEs and M radio units.
            n_blocks: blocks of four RBs around the carrier.
            seed: 0 to 2^64 - 1; equal ones give equal gains.
            line_of_sight: of all links; None draws it, eq. 7.4.2.
        """
        self._library_config.seed = seed
        ues, dus = _places(ues_m, UE_HEIGHT_M), _places(dus_m, RADIO_UNIT_HEIGHT_M)
        model = self._model()
        model.set_topology(
            ut_loc=ues,
            bs_loc=dus,
            ut_orientations=np.zeros_like(ues),
            bs_orientations=np.zeros_like(dus),
            ut_velocities=np.zeros_like(ues),
            in_state=np.zeros(ues.shape[:2], dtype=np.bool_),
            los="random" if line_of_sight is None else line_of_sight,
        )
        coefficients, delays_s = (each.numpy() for each in model(num_time_samples=1, sampling_frequency=1.0))
        return _block_gains(coefficients[0, :, 0, :, 0, :, 0], delays_s[0], n_blocks)

    def _model(self) -> Any:
        """A fresh one: what an old one remembers of its last topology would make gains depend on the order of calls."""
        antenna = self._library.PanelArray(
            num_rows_per_panel=1,
            num_cols_per_panel=1,
            polarization="single",
            polarization_type="V",
            antenna_pattern="omni",
            carrier_frequency=CARRIER_HZ,
            device="cpu",
        )
        return self._library.UMi(
            carrier_frequency=CARRIER_HZ,
            o2i_model="low",
            ut_array=antenna,
            bs_array=antenna,
            direction="downlink",
            device="cpu",
        )


def _places(plane_m: tuple[npt.ArrayLike, npt.ArrayLike], height_m: float) -> SingleArray:
    """float32 [1, n, 3]."""
    x_m, y_m = (np.asarray(each, dtype=np.float32) for each in plane_m)
    return np.stack((x_m, y_m, np.full_like(x_m, height_m)), axis=-1)[None]


def _block_gains(coefficients: npt.NDArray[np.complex64], delays_s: SingleArray, n_blocks: int) -> SingleArray:
    """|sum of rays|^2, float32 [N, M, n_blocks], in the middle of each block; coefficients and delays are [N, M, rays]."""
    spacing_hz = RBS_PER_BLOCK * RB_BANDWIDTH_HZ
    offsets_hz = spacing_hz * (np.arange(n_blocks) - (n_blocks - 1) / 2)
    turns = np.exp(-2j * np.pi * delays_s[..., None].astype(np.float64) * offsets_hz)
    response = np.einsum("nmr,nmrs->nms", coefficients, turns)
    return np.asarray(np.abs(response) ** 2, dtype=np.float32)
