"""`ricity train continual`: a shift of demand is noticed, the agents adapt, and what they keep of the old regime is told.

A live day is played by the agents and held against some days before it. Once the detector raises an alarm, the demand is read
off the rest of the day, training days are drawn with it, and the agents go on learning by each of `STRATEGIES`. All are scored
on a validation day of the old regime and on one of the new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ric_sim.domain.errors import UnknownKey
from ric_sim.envs.disturbances import HOUR_MS, Disturbance, demand_scaled
from ric_sim.envs.disturbed import BIN_MS, evaluate_disturbed
from ric_sim.envs.statistics import Interval, mean_interval
from ric_sim.network.city import City
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.learned.policy import LearnedPolicy
from ric_sim.network.policies.learned.weights import Weights
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import DAY_MS, Day
from xapps.learning.amarl import training_scenarios, validation_scenarios
from xapps.learning.config import TrainingConfig
from xapps.learning.continual import ANCHOR, ContinualTrainer, Regimes
from xapps.learning.drift import Alarm, DriftDetector, FloatArray, Regime, signals
from xapps.learning.pretrained import fitted, load_team, network_of
from xapps.learning.validation import Score, Validation

STRATEGIES = ("frozen", "fine-tuned", "rehearsed")
"""No learning; learning on the new regime only; half of the lanes on the old one, and a penalty on leaving the old policy."""

_LIVE_SEEDS = 20_278_000
"""Of the days the detector sees; no training or validation day has them."""
_GROWN = 1.2
"""A service is taken to ask for more from this factor on."""

Watcher = Callable[[str], None]
"""Called with what is done next."""


@dataclass(frozen=True)
class Shift:
    """`factor` (>= 1) times the flows of one service, from an instant of the live day on."""

    service: str
    factor: float
    from_ms: int = 12 * HOUR_MS


@dataclass(frozen=True)
class ContinualPlan:
    """An experiment.

    Attributes:
        config: one profile and at least two days; its `total_steps` are the decisions of an adaptation.
        weights: folder of the agents before the shift.
        reference_days: how many days the detector knows.
        anchor: see `Regimes`.
    """

    config: TrainingConfig
    weights: Path
    shift: Shift
    seeds: tuple[int, ...] = (1, 2, 3)
    reference_days: int = 3
    anchor: float = ANCHOR


@dataclass(frozen=True)
class Detection:
    """What the detector made of the live day: alarms before the shift are false, the first after it is `alarm`.

    Attributes:
        grown: services that asked for more after the alarm, and how many times as much.
    """

    alarm: Alarm | None
    false_alarms: tuple[Alarm, ...]
    grown: dict[str, float] = field(default_factory=dict)


def run_continual(plan: ContinualPlan, *, out: Path, watch: Watcher) -> dict[str, Any]:
    """The whole experiment. Adapted weights go to `<out>/<strategy>-<seed>`.

    Returns:
        shift, detection, strategies (GoS on the old and new regime by seed with 95 % intervals, and their change against
        `frozen`), wall_s, ...; without an alarm or more demand nobody adapts, and `strategies` has `frozen` only.
    Raises:
        UnknownKey: no such service. OutOfRange: the factor. WeightsMissing, WeightsCorrupt, WeightsMismatch: see `load_team`.
    """
    begun_s = time.monotonic()
    torch.set_num_threads(1)
    city = build_city(plan.config.traffic.profiles[0])
    if plan.shift.service not in city.service_index:
        raise UnknownKey("service", plan.shift.service, city.service_index)
    team = load_team(plan.weights, city.service_index)
    config = fitted(plan.config, team)
    watch("detection")
    detection = detect(plan, city, LearnedPolicy("amarl", city, team))
    experiment = Experiment(plan, config, team, detection)
    scores: dict[str, dict[int, dict[str, Score]]] = {"frozen": {}}
    watch("frozen")
    frozen = experiment.scored([network_of(city, team[key]) for key in city.service_index])
    scores["frozen"] = dict.fromkeys(plan.seeds, frozen)
    for strategy in STRATEGIES[1:] if detection.grown else ():
        for seed in plan.seeds:
            watch(f"{strategy}, seed {seed}")
            scores.setdefault(strategy, {})[seed] = experiment.adapted(strategy, seed, out / f"{strategy}-{seed}")
    return {
        "profile": city.profile,
        "config": config.name,
        "config_hash": config.digest,
        "weights": str(plan.weights),
        "shift": asdict(plan.shift),
        "detection": _told(detection, plan.shift),
        "decisions": config.total_steps,
        "anchor": plan.anchor,
        "seeds": list(plan.seeds),
        "strategies": {name: summary(by_seed, scores["frozen"]) for name, by_seed in scores.items()},
        "wall_s": time.monotonic() - begun_s,
    }


def detect(plan: ContinualPlan, city: City, policy: LearnedPolicy) -> Detection:
    """Plays the reference days and the live one, and looks for drift."""
    hold_scale = plan.config.traffic.hold_scale

    def drawn(number: int) -> Scenario:
        day = generate_day(city, "train", profile=city.profile, seed=_LIVE_SEEDS + number, hold_scale=hold_scale)
        return Scenario(city, day)

    shift, services = plan.shift, list(city.service_index)
    live = demand_scaled(drawn(0), shift.service, shift.factor, from_ms=shift.from_ms, to_ms=DAY_MS)
    regime = Regime.of([observed(drawn(number), policy) for number in range(1, plan.reference_days + 1)])
    seen = observed(live, policy)
    alarms = DriftDetector(regime, services).watch(seen)
    after = [alarm for alarm in alarms if alarm.at_ms > shift.from_ms]
    false = tuple(alarm for alarm in alarms if alarm.at_ms <= shift.from_ms)
    if not after:
        return Detection(None, false)
    return Detection(after[0], false, grown(seen, regime, services, after[0]))


def observed(scenario: Scenario, policy: LearnedPolicy) -> FloatArray:
    """The signals of a day played by a policy."""
    played = evaluate_disturbed(Disturbance("undisturbed", scenario, 0, DAY_MS), policy)
    day = scenario.day
    bandwidth_kbps = np.zeros(DAY_MS // BIN_MS, dtype=np.int64)
    np.add.at(bandwidth_kbps, day.arrival_ms // BIN_MS, day.bandwidth_kbps)
    refused = (played.requests_per_bin - played.accepted_per_bin).sum(axis=1)
    return signals(played.requests_per_bin, bandwidth_kbps, refused)


def grown(seen: FloatArray, regime: Regime, services: Sequence[str], alarm: Alarm) -> dict[str, float]:
    """Services with clearly more requests from the alarm to the end of the day than in the regime, and how many times as many."""
    begin = alarm.at_ms // BIN_MS
    expected = np.repeat(regime.mean, len(seen) // len(regime.mean), axis=0)
    n = len(services)
    ratios = (seen[begin:, :n] ** 2).sum(axis=0) / np.maximum((expected[begin:, :n] ** 2).sum(axis=0), 1.0)
    return {key: float(ratio) for key, ratio in zip(services, ratios, strict=True) if ratio >= _GROWN}


class Experiment:
    """Adapts and scores; the validation days are prepared once."""

    def __init__(self, plan: ContinualPlan, config: TrainingConfig, team: Mapping[str, Weights], detection: Detection) -> None:
        self._plan, self._config, self._team, self._grown = plan, config, team, detection.grown
        old = validation_scenarios(config)
        regimes = {"old": old, "new": [_scaled(each, {plan.shift.service: plan.shift.factor}) for each in old]}
        flows, rules = config.traffic.validation_flows, config.mask.rules
        self._validations = {name: Validation(scenarios, flows=flows, rules=rules) for name, scenarios in regimes.items()}

    def scored(self, networks: Sequence[Any]) -> dict[str, Score]:
        return {name: validation.score(networks) for name, validation in self._validations.items()}

    def adapted(self, strategy: str, seed: int, folder: Path) -> dict[str, Score]:
        old = training_scenarios(self._config, seed)
        new = [_scaled(each, self._grown) for each in old]
        half = len(old) // 2
        rehearses = strategy == "rehearsed"
        regimes = Regimes(new[:half], old[half:], self._plan.anchor) if rehearses else Regimes(new)
        trainer = ContinualTrainer(self._config, regimes, self._team, seed=seed, weights=folder)
        trainer.adapt()
        trainer.save_weights()
        return self.scored(trainer.networks)


def _scaled(scenario: tuple[City, Day], factors: Mapping[str, float]) -> tuple[City, Day]:
    """The day with so many times the demand of some services, from midnight to midnight."""
    result = Scenario(*scenario)
    for key, factor in factors.items():
        result = demand_scaled(result, key, factor, from_ms=0, to_ms=DAY_MS)
    return result.city, result.day


def _told(detection: Detection, shift: Shift) -> dict[str, Any]:
    alarm = detection.alarm
    return {
        "alarm_ms": alarm.at_ms if alarm else None,
        "delay_min": (alarm.at_ms - shift.from_ms) / 60_000 if alarm else None,
        "signals": list(alarm.signals) if alarm else [],
        "false_alarms": len(detection.false_alarms),
        "grown": detection.grown,
    }


def summary(by_seed: Mapping[int, Mapping[str, Score]], frozen: Mapping[int, Mapping[str, Score]]) -> dict[str, Any]:
    """Per regime: GoS by seed and by service, its interval, and the interval of its change against the frozen agents."""
    result: dict[str, Any] = {}
    for regime in ("old", "new"):
        gos = {seed: scores[regime].gos for seed, scores in by_seed.items()}
        changes = [gos[seed] - frozen[seed][regime].gos for seed in gos]
        first = next(iter(by_seed.values()))[regime]
        result[regime] = {
            "gos_by_seed": {str(seed): value for seed, value in gos.items()},
            "gos_by_service": {
                key: float(np.mean([scores[regime].gos_by_service[key] for scores in by_seed.values()]))
                for key in first.gos_by_service
            },
            "gos": _plain(mean_interval(list(gos.values()))),
            "change": _plain(mean_interval(changes)),
        }
    return result


def _plain(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "half_width": interval.half_width, "n": interval.n}
