"""O-DUs and what is learnt for them, from the metrics of radio and critic."""

from __future__ import annotations

from typing import Any

from ric_sim.radio.config import SLICES, RadioConfig
from services.console.exposition import Samples
from services.console.traffic_shape import rounded

RADIO_METRICS = (
    "ricity_radio_frames_total",
    "ricity_radio_reward",
    "ricity_radio_rule_reward",
    "ricity_radio_satisfied_frames_total",
    "ricity_radio_quota_rbs_total",
    "ricity_radio_used_rbs_total",
    "ricity_radio_controls_total",
    "ricity_radio_dapps_attached",
    "ricity_radio_policy_age_seconds",
    "ricity_radio_answer_seconds_bucket",
)
CRITIC_METRICS = (
    "ricity_critic_under_sam_ratio",
    "ricity_critic_actor_rho",
    "ricity_critic_td_variance",
    "ricity_critic_actors_attached",
    "ricity_critic_updates_total",
    "ricity_critic_transitions_total",
    "ricity_critic_pushes_total",
    "ricity_critic_divergences_total",
    "ricity_critic_trial_reward",
    "ricity_critic_sharpness_ratio",
)


def radio_section(now: Samples, rise: Samples, span_s: float) -> dict[str, Any]:
    """Slice shares, satisfaction and reward per O-DU.

    Shares are resource blocks a frame, in the order of `SLICES`: `quota_rbs` set aside, `used_rbs` with data on them.

    Args:
        now, rise: of the radio's metrics, and what counters rose by within the last `span_s` seconds.
    """
    frames = rise.sum("ricity_radio_frames_total")
    answer = "ricity_radio_answer_seconds"
    dus = list(now.by("ricity_radio_reward", "du"))
    rewards = list(now.by("ricity_radio_reward", "du").values())
    return {
        "connected": True,
        "slices": list(SLICES),
        "n_rbs": RadioConfig().n_rbs,
        "frames_per_s": round(frames / span_s, 1) if span_s > 0 else 0.0,
        "dapps_attached": now.value("ricity_radio_dapps_attached"),
        "reward": round(sum(rewards) / len(rewards), 3) if rewards else None,
        "rule_reward": rounded(now.value("ricity_radio_rule_reward"), 3),
        "answer_ms": {
            name: rounded(_scaled(rise.quantile(answer, ratio), 1000), 2) for name, ratio in (("p50", 0.5), ("p99", 0.99))
        },
        "dus": {du: _du(du, now, rise) for du in dus},
    }


def critic_section(now: Samples, rise: Samples, span_s: float) -> dict[str, Any]:
    """Which actors are under SAM, and how learning goes."""
    under_sam, rho = now.by("ricity_critic_under_sam_ratio", "du"), now.by("ricity_critic_actor_rho", "du")
    variance = now.by("ricity_critic_td_variance", "du")
    return {
        "connected": True,
        "actors_attached": now.value("ricity_critic_actors_attached"),
        "updates": now.sum("ricity_critic_updates_total"),
        "updates_per_s": round(rise.sum("ricity_critic_updates_total") / span_s, 2) if span_s > 0 else 0.0,
        "divergences": now.sum("ricity_critic_divergences_total"),
        "pushes": now.by("ricity_critic_pushes_total", "fate"),
        "trial_reward": rounded(now.value("ricity_critic_trial_reward"), 3),
        "sharpness_ratio": rounded(now.value("ricity_critic_sharpness_ratio"), 3),
        "actors": {
            du: {
                "under_sam": value > 0,
                "rho": rounded(rho.get(du), 4),
                "td_variance": rounded(variance.get(du), 4),
                "transitions": now.sum("ricity_critic_transitions_total", du=du),
            }
            for du, value in under_sam.items()
        },
    }


def slicing_points(radio: dict[str, Any]) -> dict[str, float]:
    """Points of the sparklines: reward of every O-DU, their mean and the rule's."""
    points = {f"reward/{name}": du["reward"] for name, du in radio["dus"].items()}
    points |= {"reward": radio["reward"], "rule_reward": radio["rule_reward"]}
    return {name: value for name, value in points.items() if value is not None}


def _du(du: str, now: Samples, rise: Samples) -> dict[str, Any]:
    controls = rise.by("ricity_radio_controls_total", "result", du=du)
    # An O-DU that is off the air has no controls, so frames it played are counted by what became of them.
    frames = sum(count for result, count in controls.items() if result != "late")

    def per_frame(thing: str) -> list[float]:
        sums = rise.by(f"ricity_radio_{thing}_total", "slice", du=du)
        return [round(sums.get(name, 0.0) / frames, 2) if frames > 0 else 0.0 for name in SLICES]

    return {
        "reward": rounded(now.value("ricity_radio_reward", du=du), 3),
        "quota_rbs": per_frame("quota_rbs"),
        "used_rbs": per_frame("used_rbs"),
        "satisfied_ratio": per_frame("satisfied_frames"),
        "controls": controls,
        "policy_age_s": rounded(now.value("ricity_radio_policy_age_seconds", du=du), 0),
    }


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
