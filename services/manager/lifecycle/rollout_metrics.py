"""What a rollout that has ended adds to the manager's metrics."""

from __future__ import annotations

from ric_sim.telemetry import counter, histogram
from services.manager.lifecycle.model import Rollout


def count_ended(rollout: Rollout) -> None:
    """To be called once, when the rollout has ended and that is kept."""
    counter("ricity_manager_rollouts_total").labels(state=rollout.state).inc()
    histogram("ricity_manager_rollout_seconds").labels(state=rollout.state).observe(rollout.ended_at - rollout.started_at)
    once = rollout.requests - rollout.lost - rollout.doubled
    for fate, count in (("lost", rollout.lost), ("doubled", rollout.doubled), ("once", once)):
        # What waited at the begin and was answered meanwhile makes a count of a quiet moment negative.
        counter("ricity_manager_rollout_requests_total").labels(fate=fate).inc(max(0, count))
