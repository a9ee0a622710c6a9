"""The dApp's metrics (declared in ric_sim/telemetry/registry.yaml), bound to its O-DU once."""

from __future__ import annotations

from ric_sim.telemetry import counter, gauge, histogram

DECIDERS = ("actor", "need_rule", "fixed_split")
EXPERIENCE_FATES = ("kept", "gap", "dropped", "sent", "acknowledged", "refused")
WEIGHT_FATES = ("staged", "activated", "reloaded", "corrupt", "mismatch")


class SlicingMetrics:
    """Every series exists from the start, so that a dashboard shows 0 and not a gap."""

    def __init__(self, agent: str) -> None:
        decisions, experience = counter("ricity_slicing_decisions_total"), counter("ricity_slicing_experience_total")
        weights = counter("ricity_slicing_weights_total")
        self.decisions = {by: decisions.labels(du=agent, by=by) for by in DECIDERS}
        self.experience = {fate: experience.labels(du=agent, fate=fate) for fate in EXPERIENCE_FATES}
        self.weights = {fate: weights.labels(du=agent, fate=fate) for fate in WEIGHT_FATES}
        self.decision_seconds = histogram("ricity_slicing_decision_seconds").labels(du=agent)
        self.kpi_faults = counter("ricity_slicing_kpi_faults_total").labels(du=agent)
        self.critic_attached = gauge("ricity_slicing_critic_attached").labels(du=agent)
        self.reconnects = counter("ricity_slicing_reconnects_total")
