"""The radio's metrics (declared in ric_sim/telemetry/registry.yaml), bound to its O-DUs once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ric_sim.radio.config import SLICES
from ric_sim.radio.shield import LIMITS
from ric_sim.radio.world import StepResult
from ric_sim.telemetry import counter, gauge, histogram

HANDOVER_CAUSES = ("newer", "preferred", "gone", "silent")
CONTROL_RESULTS = ("applied", "shielded", "missing", "refused", "late")


class RadioMetrics:
    """Every series exists from the start, so that a dashboard shows 0 and not a gap."""

    def __init__(self, n_dus: int) -> None:
        names = [f"du_{du}" for du in range(n_dus)]
        controls, satisfied = counter("ricity_radio_controls_total"), counter("ricity_radio_satisfied_frames_total")
        used, quota = counter("ricity_radio_used_rbs_total"), counter("ricity_radio_quota_rbs_total")
        reward, age = gauge("ricity_radio_reward"), gauge("ricity_radio_policy_age_seconds")
        interventions = counter("ricity_radio_shield_interventions_total")
        self._frames = counter("ricity_radio_frames_total")
        self.answer_seconds = histogram("ricity_radio_answer_seconds")
        self.attached = gauge("ricity_radio_dapps_attached")
        self._rule_reward = gauge("ricity_radio_rule_reward")
        self.controls = [{result: controls.labels(du=name, result=result) for result in CONTROL_RESULTS} for name in names]
        handovers = counter("ricity_radio_handovers_total")
        self.handovers = [{cause: handovers.labels(du=name, cause=cause) for cause in HANDOVER_CAUSES} for name in names]
        self.interventions = [{limit: interventions.labels(du=name, limit=limit) for limit in LIMITS} for name in names]
        self._satisfied = [[satisfied.labels(du=name, slice=key) for key in SLICES] for name in names]
        self._used = [[used.labels(du=name, slice=key) for key in SLICES] for name in names]
        self._quota = [[quota.labels(du=name, slice=key) for key in SLICES] for name in names]
        self._reward = [reward.labels(du=name) for name in names]
        self._age = [age.labels(du=name) for name in names]

    def played(
        self, played: StepResult, ruled: StepResult, age_s: npt.NDArray[np.float64], on_air: npt.NDArray[np.bool_]
    ) -> None:
        """One frame of the only replica; `on_air`: bool [M], whom it is counted for."""
        self._frames.inc()
        self._rule_reward.set(float(ruled.reward[0, on_air].mean()))
        for du in np.flatnonzero(on_air).tolist():
            self._reward[du].set(float(played.reward[0, du]))
            self._age[du].set(age_s[du])
            for slice_id in range(len(SLICES)):
                self._satisfied[du][slice_id].inc(bool(played.satisfied[0, du, slice_id]))
                self._used[du][slice_id].inc(int(played.used_rbs[0, du, slice_id]))
                self._quota[du][slice_id].inc(int(played.quota_rbs[0, du, slice_id]))
