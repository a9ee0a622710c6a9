"""Parallel radio worlds in lock step: reset, observe, step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.radio import kernels
from ric_sim.radio.arrays import IntArray, SingleArray, new_network, new_outcome, new_state
from ric_sim.radio.channel import ChannelModel, RayleighChannel
from ric_sim.radio.config import N_SLICES, FloatArray, RadioConfig
from ric_sim.radio.decoding import Allocation, action_dim, decode
from ric_sim.radio.profiles import find_radio_profile

OBSERVATIONS = {"ext": kernels.N_FEATURES, "paper": kernels.N_PAPER_FEATURES}
"""Features per O-DU. `paper`: normalised QoS of the last frame, active UEs over their usual number, shares of the last frame;
`ext`: these, backlog (log1p), mean estimated spectral efficiency over 4, and needed RBs over 50; three slices each."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One frame of B worlds with M O-DUs; slices in the order eMBB, mMTC, URLLC.

    Attributes:
        reward: float32 [B, M], eq. (8).
        qos: float32 [B, M, 3]: Mbps, Mbps, ms; 0 for a slice without active UEs.
        active_ues: int64 [B, M, 3], UEs with bits queued.
        qos_normalised: float32 [B, M, 3] in [0, 1], 0.5 at the minimum, 1 for a slice without active UEs.
        satisfied: bool [B, M, 3], the slice meets its minimum; true without active UEs.
        quota_rbs: int64 [B, M, 3], RBs set aside.
        used_rbs: int64 [B, M, 3], RBs that carried data, at most the quota.
        over_ratio: float32 [B, M], RBs wanted beyond the cell's, as a part of them.
    """

    reward: SingleArray
    qos: SingleArray
    active_ues: IntArray
    qos_normalised: SingleArray
    satisfied: npt.NDArray[np.bool_]
    quota_rbs: IntArray
    used_rbs: IntArray
    over_ratio: SingleArray

    @property
    def all3(self) -> npt.NDArray[np.bool_]:
        """bool [B, M]: every slice of the cell meets its minimum."""
        return np.logical_and.reduce(self.satisfied, axis=-1)


class World:
    """B radio networks of M O-DUs, which decide at the same time, once per frame of 10 ms.

    Arrivals, movement and fading depend on the seed and the frame only: two policies that play the same seed meet the same
    ones. There is no terminal state.

    Attributes:
        config: sizes.
        n_replicas, n_dus: B and M.
        decoding, observation: how actions are read and what is observed.
        obs_dim, action_dim: numbers per O-DU.
        frame: decisions since the reset.
        on_air: bool [M], O-DUs that serve UEs in this frame; all, unless `set_on_air` says otherwise.
        network, state: the arrays behind it, for policies and tests; to be read only.
    """

    def __init__(
        self,
        config: RadioConfig | None = None,
        *,
        n_replicas: int = 8,
        decoding: str = "resid5",
        observation: str = "ext",
        channel: ChannelModel | None = None,
    ) -> None:
        """Worlds that stand at the first frame of seed 0, nominal profile.

        Raises:
            OutOfRange: fewer than one replica.
            UnknownKey: no such decoding or observation.
        """
        if n_replicas < 1:
            raise OutOfRange(f"{n_replicas} replicas: expected 1 or more")
        if observation not in OBSERVATIONS:
            raise UnknownKey("observation", observation, OBSERVATIONS)
        self.config = config or RadioConfig()
        self.n_replicas, self.n_dus = n_replicas, self.config.n_dus
        self.decoding, self.observation = decoding, observation
        self.action_dim, self.obs_dim = action_dim(decoding, self.config.n_rbs), OBSERVATIONS[observation]
        self.network, self.state = new_network(self.config), new_state(self.config, n_replicas)
        self.on_air = self._wanted_on_air = np.ones(self.n_dus, dtype=np.bool_)
        self._channel: ChannelModel = channel or RayleighChannel()
        self._outcome = new_outcome(self.config, n_replicas)
        self._observation = np.zeros((n_replicas, self.n_dus, self.obs_dim), dtype=np.float32)
        self._rb_slice = np.zeros((n_replicas, self.n_dus, self.config.n_rbs), dtype=np.int64)
        self.reset(0)

    def reset(self, seed: int, profile: str | Sequence[str] = "nominal") -> None:
        """The first frame of an episode.

        Args:
            seed: 0 or more; replica r of equal seeds is the same.
            profile: of all replicas, or one name for each.
        Raises:
            UnknownKey: no such profile.
            OutOfRange: a negative seed, or another number of profiles than of replicas.
        """
        names = [profile] * self.n_replicas if isinstance(profile, str) else list(profile)
        if len(names) != self.n_replicas:
            raise OutOfRange(f"{len(names)} profiles for {self.n_replicas} replicas: expected one for each, or one for all")
        if seed < 0:
            raise OutOfRange(f"seed {seed}: expected 0 or more")
        profiles = [find_radio_profile(name) for name in names]
        self.state.load[:] = [each.loads(self.n_dus) for each in profiles]
        speeds_mps = np.array([(each.min_speed_mps, each.max_speed_mps) for each in profiles])
        self._switch()
        kernels.begin_episode(self.network, self.state, seed, speeds_mps, np.array([each.hot_ratio for each in profiles]))
        self.frame = 0
        self._channel.begin_episode(self.network, self.state)
        self._look()

    def set_on_air(self, du: int, *, on_air: bool) -> None:
        """Switches an O-DU on or off from the next frame or reset on.

        Raises:
            OutOfRange: no such O-DU, or the last one that is on air.
        """
        wanted = self._wanted_on_air.copy()
        if 0 <= du < self.n_dus:
            wanted[du] = on_air
        if not 0 <= du < self.n_dus or not wanted.any():
            raise OutOfRange(f"O-DU {du} on air {on_air}: expected one of 0 to {self.n_dus - 1}, and another one to stay on air")
        self._wanted_on_air = wanted

    def set_load(self, load: npt.ArrayLike) -> None:
        """Replaces the profile's factors on the arrivals, from the next frame on and until the next reset.

        Args:
            load: [M, 3], by O-DU and slice; 1 is the usual rate.
        Raises:
            OutOfRange: another shape, or a factor that is negative or not finite.
        """
        factors = np.asarray(load, dtype=np.float64)
        if factors.shape != (self.n_dus, N_SLICES) or not np.all((factors >= 0.0) & (factors < np.inf)):
            raise OutOfRange(f"load of shape {factors.shape}: expected {(self.n_dus, N_SLICES)} finite factors of 0 or more")
        self.state.load[:] = factors

    def observe(self) -> SingleArray:
        """float32 [B, M, obs_dim]: the frame that is about to be decided (`OBSERVATIONS`)."""
        return self._observation.copy()

    @property
    def need_rbs(self) -> FloatArray:
        """float64 [B, M, 3]: RBs that each slice needs in the frame about to be decided, by the scheduler's estimates."""
        return self.state.need_rbs.copy()

    @property
    def active_ues(self) -> IntArray:
        """int64 [B, M, 3]: UEs with bits queued in the frame about to be decided."""
        return np.diff(self.state.group, axis=-1).reshape(self.n_replicas, self.n_dus, N_SLICES)

    def decode(self, actions: npt.ArrayLike) -> Allocation:
        """What actions [B, M, action_dim] in [0, 1] ask for in this frame; `OutOfRange` as in `decoding.decode`."""
        return decode(self.decoding, actions, self.state.need_rbs, self.config.n_rbs)

    def step(self, actions: npt.ArrayLike) -> StepResult:
        """Decodes the actions of all O-DUs and plays one frame; nothing changes if it raises (`decode`)."""
        return self.apply(self.decode(actions))

    def apply(self, allocation: Allocation) -> StepResult:
        """Plays one frame and goes on to the next.

        Raises:
            OutOfRange: an array of another shape, quotas that are negative or add up to more than the cell's RBs, an exponent
                outside [0, 1], an over-request that is negative, numbers that are not finite, or a map that names no slice or
                differs from the quotas; nothing has changed then.
        """
        rb_slice = self._checked_map(allocation)
        controls = (
            np.ascontiguousarray(allocation.beta),
            np.ascontiguousarray(allocation.over_ratio),
            np.ascontiguousarray(allocation.quota_rbs),
            allocation.round_robin,
        )
        kernels.play(self.network, self.state, rb_slice, controls, self._outcome)
        result = self._result(allocation)
        self.frame += 1
        self._switch()
        kernels.begin_frame(self.network, self.state, self.frame)
        self._look()
        return result

    def _switch(self) -> None:
        """One that is off is infinitely far from every UE: none is served by it, none receives it."""
        self.on_air = self._wanted_on_air
        self.network.du_x_m[:] = np.where(self.on_air, self.config.du_positions_m()[0], np.inf)

    def _look(self) -> None:
        self._channel.receive(self.network, self.state)
        kernels.look(self.network, self.state, self._observation)

    def _checked_map(self, allocation: Allocation) -> IntArray:
        """int64 [B, M, K] of an allocation that can be played."""
        cells, n_rbs = (self.n_replicas, self.n_dus), self.config.n_rbs
        quota, beta, over = allocation.quota_rbs, allocation.beta, allocation.over_ratio
        if quota.shape != (*cells, N_SLICES) or beta.shape != (*cells, N_SLICES - 1) or over.shape != cells:
            raise OutOfRange(
                f"allocation of shapes {quota.shape}, {beta.shape}, {over.shape}: expected 3, 2 and 1 numbers for {cells} cells"
            )
        if np.any(quota < 0) or np.any(quota.sum(axis=-1) > n_rbs):
            raise OutOfRange(
                f"quotas that are negative or add up to more than {n_rbs} RBs: cut them first (`Allocation.of_wanted`)"
            )
        if not (np.all((beta >= 0.0) & (beta <= 1.0)) and np.all((over >= 0.0) & (over < np.inf))):
            raise OutOfRange("a scheduler's exponent outside [0, 1], or an over-request that is negative or not finite")
        if allocation.rb_slice is None:
            kernels.map_slices(self.network, np.ascontiguousarray(quota), self._rb_slice)
            return self._rb_slice
        counted = np.stack([(allocation.rb_slice == slice_id).sum(axis=-1) for slice_id in range(N_SLICES)], axis=-1)
        in_range = np.all((allocation.rb_slice >= -1) & (allocation.rb_slice < N_SLICES))
        if allocation.rb_slice.shape != (*cells, n_rbs) or not in_range or not np.array_equal(counted, quota):
            raise OutOfRange(f"a map of RBs that is not {(*cells, n_rbs)} of -1, 0, 1, 2 with the quotas it came with")
        return np.ascontiguousarray(allocation.rb_slice)

    def _result(self, allocation: Allocation) -> StepResult:
        qos_normalised = self.state.qos_normalised
        return StepResult(
            reward=self._outcome.reward.astype(np.float32),
            qos=self._outcome.qos.astype(np.float32),
            active_ues=self.active_ues,
            qos_normalised=qos_normalised.astype(np.float32),
            satisfied=qos_normalised >= 0.5,
            quota_rbs=allocation.quota_rbs.copy(),
            used_rbs=self._outcome.used_rbs.copy(),
            over_ratio=allocation.over_ratio.astype(np.float32),
        )
