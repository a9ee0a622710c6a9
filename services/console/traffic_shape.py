"""Services and the RIC's own work, from the metrics of nodes and RIC."""

from __future__ import annotations

from typing import Any

from services.console.exposition import Samples

NODES_METRICS = (
    "ricity_nodes_requests_total",
    "ricity_nodes_answers_total",
    "ricity_nodes_displaced_flows_total",
    "ricity_nodes_default_actions_total",
    "ricity_nodes_gos_ratio",
    "ricity_nodes_active_flows",
    "ricity_nodes_outstanding_requests",
    "ricity_nodes_emulated_time_seconds",
    "ricity_nodes_clock_lag_seconds",
    "ricity_nodes_flow_latency_seconds_bucket",
    "ricity_nodes_decision_seconds_bucket",
)
RIC_METRICS = (
    "ricity_ric_inserts_total",
    "ricity_ric_answers_total",
    "ricity_ric_commits_total",
    "ricity_ric_aborts_total",
    "ricity_ric_default_actions_total",
    "ricity_ric_redelivered_total",
    "ricity_ric_dropped_total",
    "ricity_ric_invalid_messages_total",
    "ricity_ric_store_reconnects_total",
    "ricity_ric_displaced_flows_total",
    "ricity_ric_queue_requests",
    "ricity_ric_nodes",
    "ricity_ric_xapp_instances",
    "ricity_ric_compute_utilisation_ratio",
    "ricity_ric_decision_seconds_bucket",
    "ricity_ric_commit_seconds_bucket",
)
_ANSWERS, _LATENCY = "ricity_nodes_answers_total", "ricity_nodes_flow_latency_seconds"
_DECISION = "ricity_nodes_decision_seconds"


def services_section(now: Samples, rise: Samples, span_s: float) -> dict[str, Any]:
    """GoS, load and latency per service.

    Args:
        now, rise: of the nodes' metrics, as they are, and what counters rose by within the last `span_s` seconds.
    """
    keys = list(now.by("ricity_nodes_active_flows", "service"))
    return {
        "connected": True,
        "span_s": round(span_s),
        "outstanding": now.value("ricity_nodes_outstanding_requests"),
        "clock_lag_s": rounded(now.value("ricity_nodes_clock_lag_seconds"), 1),
        "emulated_s": now.value("ricity_nodes_emulated_time_seconds"),
        "gos_ratio": _gos(now),
        "recent_gos_ratio": _gos(rise),
        "requests_per_s": _rate(rise.sum("ricity_nodes_requests_total"), span_s),
        "active_flows": now.sum("ricity_nodes_active_flows"),
        "services": {key: _service(key, now, rise, span_s) for key in keys},
    }


def ric_section(now: Samples, rise: Samples, span_s: float) -> dict[str, Any]:
    """What the RIC does and how fast; `rise` over the last `span_s` seconds."""
    decision, commit = "ricity_ric_decision_seconds", "ricity_ric_commit_seconds"
    return {
        "connected": True,
        "inserts_per_s": _rate(rise.sum("ricity_ric_inserts_total"), span_s),
        "commits": rise.by("ricity_ric_commits_total", "status"),
        "aborts": rise.by("ricity_ric_aborts_total", "cause"),
        "aborts_by_service": rise.by("ricity_ric_aborts_total", "service"),
        "queue": now.by("ricity_ric_queue_requests", "xapp"),
        "nodes": now.by("ricity_ric_nodes", "status"),
        "ready_instances": now.by("ricity_ric_xapp_instances", "xapp", state="ready"),
        "tiers": {tier: round(value, 4) for tier, value in now.by("ricity_ric_compute_utilisation_ratio", "tier").items()},
        "decision_ms": {"p50": _ms(rise, decision, 0.5), "p99": _ms(rise, decision, 0.99)},
        "commit_ms": {"p50": _ms(rise, commit, 0.5), "p99": _ms(rise, commit, 0.99)},
        "recent": {
            name: rise.sum(f"ricity_ric_{name}_total")
            for name in ("default_actions", "redelivered", "dropped", "invalid_messages", "store_reconnects", "displaced_flows")
        },
    }


def traffic_points(services: dict[str, Any]) -> dict[str, float]:
    """Points of the sparklines by series name; only what there is."""
    points = {"gos": services["recent_gos_ratio"], "rate": services["requests_per_s"], "active": services["active_flows"]}
    for key, service in services["services"].items():
        points[f"gos/{key}"] = service["recent_gos_ratio"]
        points[f"rate/{key}"] = service["requests_per_s"]
        points[f"active/{key}"] = service["active_flows"]
        points[f"latency/{key}"] = service["latency_ms"]["p95"]
    return {name: value for name, value in points.items() if value is not None}


def rounded(value: float | None, digits: int) -> float | None:
    """Rounded, and None as it is."""
    return None if value is None else round(value, digits)


def _service(key: str, now: Samples, rise: Samples, span_s: float) -> dict[str, Any]:
    return {
        "gos_ratio": _gos(now, service=key),
        "recent_gos_ratio": _gos(rise, service=key),
        "requests": now.sum("ricity_nodes_requests_total", service=key),
        "requests_per_s": _rate(rise.sum("ricity_nodes_requests_total", service=key), span_s),
        "active_flows": now.sum("ricity_nodes_active_flows", service=key),
        "answers": now.by(_ANSWERS, "outcome", service=key),
        "recent_answers": rise.by(_ANSWERS, "outcome", service=key),
        "displaced": now.sum("ricity_nodes_displaced_flows_total", service=key),
        "latency_ms": {name: _ms_now(now, rise, _LATENCY, ratio, key) for name, ratio in (("p50", 0.5), ("p95", 0.95))},
        "decision_ms": {name: _ms_now(now, rise, _DECISION, ratio, key) for name, ratio in (("p50", 0.5), ("p99", 0.99))},
    }


def _gos(samples: Samples, **only: str) -> float | None:
    answers = samples.by(_ANSWERS, "outcome", **only)
    total = sum(answers.values())
    return round(answers.get("accepted", 0.0) / total, 5) if total > 0 else None


def _rate(increase: float, span_s: float) -> float:
    return round(increase / span_s, 2) if span_s > 0 else 0.0


def _ms_now(now: Samples, rise: Samples, name: str, ratio: float, key: str) -> float | None:
    """Of the window; of all there ever was while the window is empty."""
    recent = _ms(rise, name, ratio, service=key)
    return _ms(now, name, ratio, service=key) if recent is None else recent


def _ms(samples: Samples, name: str, ratio: float, **only: str) -> float | None:
    value = samples.quantile(name, ratio, **only)
    return None if value is None else round(1000 * value, 3)
