"""What a slicing run is worth: its greedy policies on seeds nobody trained on, beside the best rule on the same worlds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

from ric_sim.envs.slicing_evaluate import SlicingEvaluation, evaluate_slicing
from ric_sim.envs.statistics import paired_difference
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from xapps.learning.slicing.training import SlicingTrainer

REFERENCE = "need-tuned"


def final_figures(trainer: SlicingTrainer) -> dict[str, Any]:
    """reward, satisfied, all3 on the first profile, the same for every profile with the reference beside it, and curvature."""
    config, plan = trainer.config.world, trainer.config.evaluation
    world = World(
        RadioConfig(n_dus=config.n_dus, n_ues=config.n_ues),
        n_replicas=plan.replicas,
        decoding=config.decoding,
        observation=config.observation,
    )
    policy, reference = trainer.policy(), make_slicing_policy(REFERENCE)
    by_profile = {}
    for profile in plan.profiles:
        learned, rule = (
            evaluate_slicing(each, world, profile=profile, seeds=plan.seeds, decisions=plan.decisions)
            for each in (policy, reference)
        )
        by_profile[profile] = _row(learned, rule)
    first = by_profile[plan.profiles[0]]
    return {
        "reward": first["reward"],
        "satisfied": first["satisfied"],
        "all3": first["all3"],
        "reference": REFERENCE,
        "by_profile": by_profile,
        "curvature": asdict(trainer.curvature()),
    }


def _row(learned: SlicingEvaluation, rule: SlicingEvaluation) -> dict[str, Any]:
    ours, theirs = (dict[Hashable, float](each.by_replica.items()) for each in (learned, rule))
    gain = paired_difference(ours, theirs)
    return {
        "reward": learned.reward.mean,
        "satisfied": {name: interval.mean for name, interval in learned.satisfied.items()},
        "all3": learned.all3.mean,
        "reference_reward": rule.reward.mean,
        "reference_all3": rule.all3.mean,
        "reward_gain": gain.mean,
        "reward_gain_half_width": gain.half_width,
    }
