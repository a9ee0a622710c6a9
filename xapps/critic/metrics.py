"""The critic's metrics (declared in ric_sim/telemetry/registry.yaml), bound to its actors once."""

from __future__ import annotations

from collections.abc import Sequence

from ric_sim.telemetry import counter, gauge, histogram
from ricity.learning.v1 import learning_pb2

UNKNOWN = "unknown"
ACCEPTED, MISSING = "accepted", "missing"
REFUSALS = {number: name.removeprefix("REFUSAL_").lower() for name, number in learning_pb2.Refusal.items() if number}
PUSH_FATES = ("activated", "refused", "timeout", "withheld")


class CriticMetrics:
    """Every series exists from the start, so that a dashboard shows 0 and not a gap."""

    def __init__(self, agents: Sequence[str]) -> None:
        batches, pushes = counter("ricity_critic_batches_total"), counter("ricity_critic_pushes_total")
        fates = (ACCEPTED, MISSING, *REFUSALS.values())
        self.batches = {(agent, fate): batches.labels(du=agent, fate=fate) for agent in (*agents, UNKNOWN) for fate in fates}
        self.pushes = {(agent, fate): pushes.labels(du=agent, fate=fate) for agent in agents for fate in PUSH_FATES}
        self.push_seconds = histogram("ricity_critic_push_seconds")
        self.updates = counter("ricity_critic_updates_total")
        self.update_seconds = histogram("ricity_critic_update_seconds")
        self.divergences = counter("ricity_critic_divergences_total")
        transitions, variance = counter("ricity_critic_transitions_total"), gauge("ricity_critic_td_variance")
        under_sam, rho = gauge("ricity_critic_under_sam_ratio"), gauge("ricity_critic_actor_rho")
        self.transitions = {agent: transitions.labels(du=agent) for agent in agents}
        self.td_variance = {agent: variance.labels(du=agent) for agent in agents}
        self.under_sam = {agent: under_sam.labels(du=agent) for agent in agents}
        self.actor_rho = {agent: rho.labels(du=agent) for agent in agents}
        self.critic_rho, self.sharpness = gauge("ricity_critic_rho"), gauge("ricity_critic_sharpness_ratio")
        self.trial_reward = gauge("ricity_critic_trial_reward")
        self.attached = gauge("ricity_critic_actors_attached")
        checkpoints = counter("ricity_critic_checkpoints_total")
        self.checkpoints = {result: checkpoints.labels(result=result) for result in ("saved", "failed", "unreadable")}
        publications = counter("ricity_critic_publications_total")
        self.publications = {result: publications.labels(result=result) for result in ("published", "failed")}
