"""What the report says of differences: verdicts, sentences and ratios of made-up episodes with known answers."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.slicing_study import study
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.envs.statistics import Interval
from ric_sim.radio.config import SLICES
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from services.cli.report.routing_results import Row
from services.cli.report.slicing_claims import (
    against_rules,
    best_learned,
    counted,
    findings,
    findings_table,
    flatness,
    learning_speed,
    noise_lines,
    over_episodes,
    spread,
    strongest_rule,
    verdict,
)
from services.cli.report.slicing_play import QUANTILES, Episodes, play
from services.cli.report.slicing_results import SlicingRun, gains, label_of, ratio, sort_runs
from services.trainer.slicing import find_slicing_config

EPISODES = ("a", "b", "c")


def _row(label, profile, by_seed, *, learned=True, slope=0.0):
    """Rewards by seed; later episodes pay `slope` more each."""
    row = Row(label, profile, learned)
    for seed, value in by_seed.items():
        for place, episode in enumerate(EPISODES):
            row.evaluations[seed, f"{profile} {episode}"] = {
                "reward": value + slope * place,
                "qos": {"embb": 10 * value, "mmtc": 5 * value, "urllc": 2 / value},
            }
    return row


def _rows(profile, **rewards):
    rows = [_row(label.replace("_", "-"), profile, dict(enumerate(each, 1)), slope=0.1) for label, each in rewards.items()]
    return [*rows, _row("need-tuned", profile, {None: 1.0}, learned=False, slope=0.1)]


def _run(variant, seed, *, critic=100.0, learning=((100, 1.0), (200, 2.0), (300, 2.0)), validation=1.0, **changes):
    config = find_slicing_config("ci", variant, changes=changes).model_dump(mode="json")
    result = {"curvature": {"critic": critic, "actors": [1.0, 3.0]}, "evaluations": [{"reward": validation}]}
    return SlicingRun(Path("nowhere"), variant, seed, config, result, learning)


def test_verdicts():
    assert verdict(Interval(0.2, 0.1, 3)) == "holds"
    assert verdict(Interval(-0.2, 0.1, 3)) == "the other way round"
    assert verdict(Interval(0.2, 0.3, 3)) == "not shown"
    assert verdict(Interval(0.2, None, 1)) == "one repetition"
    assert verdict(None) == "not trained"


def test_orderings_are_judged_by_what_was_measured():
    rows = {
        "nominal": _rows("nominal", ta_sam=(2.0, 2.1, 2.2), sac=(1.9, 2.0, 2.1), l2=(2.1, 2.1, 2.1), both_sam=(2.1, 2.2, 2.3)),
        "overload": _rows("overload", ta_sam=(1.0, 1.1, 1.2), sac=(1.1, 1.2, 1.3), l2=(1.0, 1.1, 1.2), both_sam=(1.0, 1.1, 1.2)),
    }
    found = {(each.better, each.worse): each for each in findings(rows)}
    assert verdict(found["ta-sam", "sac"].nominal) == "holds"
    assert found["ta-sam", "sac"].nominal.mean == pytest.approx(0.1)
    assert verdict(found["ta-sam", "sac"].shifted) == "the other way round"
    assert verdict(found["ta-sam", "l2"].nominal) == "not shown"
    assert ("ta-sam", "plastic") not in found
    text = counted(list(found.values()))
    assert (
        "On `nominal` 2 of 5 orderings of the paper hold; the other way round: ta-sam > both-sam; not shown: ta-sam > l2" in text
    )
    assert "| ta-sam - sac | +0.1000 ± 0.0000 | holds | -0.1000 ± 0.0000 | the other way round |" in findings_table(
        list(found.values())
    )


def test_the_best_policy_is_chosen_by_validation_and_must_win_over_seeds_and_over_episodes():
    runs = [_run("ta-sam", seed, validation=2.0) for seed in (1, 2)] + [_run("sac", seed, validation=1.5) for seed in (1, 2)]
    assert best_learned(runs) == "ta-sam"
    rows = {"nominal": _rows("nominal", ta_sam=(1.2, 1.2), sac=(3.0, 3.0)), "overload": _rows("overload", ta_sam=(1.2, 0.9))}
    text = against_rules(rows, runs)
    assert "`ta-sam`. It is above the strongest rule on 1 of 2 profiles" in text
    assert "nominal, `need-tuned`: +0.200 ± 0.000 / +0.200 ± 0.000" in text
    assert "not shown to be above it on overload" in text
    unsteady = {"nominal": [_row("ta-sam", "nominal", {1: 1.1, 2: 1.1}, slope=3.0), rows["nominal"][-1]]}
    assert "on 0 of 1 profiles" in against_rules(unsteady, runs)


def test_the_oracle_is_no_rule():
    rules = {name: _row(name, "nominal", {None: value}, learned=False) for name, value in (("static", 1.0), ("curve", 1.1))}
    oracle = _row("oracle", "nominal", {None: 2.0}, learned=False)
    assert strongest_rule([*rules.values(), oracle, _row("sac", "nominal", {1: 3.0})]) is rules["curve"]
    assert strongest_rule([oracle]) is None


def test_over_episodes_training_seeds_are_averaged_first():
    rule = _row("need-tuned", "nominal", {None: 1.0}, learned=False)
    gap = over_episodes(_row("ta-sam", "nominal", {1: 1.0, 2: 2.0}, slope=0.1), rule)
    assert (gap.n, gap.mean) == (3, pytest.approx(0.6))
    assert gap.half_width == pytest.approx(4.3027 * 0.1 / math.sqrt(3))


def test_ratios_are_geometric_means_over_common_seeds():
    ours = [_run("ta-sam", 1, critic=50.0), _run("ta-sam", 2, critic=25.0), _run("ta-sam", 3, critic=1.0)]
    theirs = [_run("sac", 1, critic=100.0), _run("sac", 2, critic=100.0)]
    mean, low, high = ratio(ours, theirs, lambda run: run.critic_curvature)
    assert mean == pytest.approx(math.sqrt(0.5 * 0.25))
    assert low * high == pytest.approx(mean**2)
    assert ratio([_run("sac", 9)], theirs, lambda run: run.critic_curvature) is None
    assert "0.35 [" in flatness({}, [*ours, *theirs])


def test_flat_critics_that_lose_less_correlate_above_zero():
    runs = [_run("sac", seed, critic=10.0 * seed) for seed in (1, 2, 3, 4)]
    rows = {"nominal": _rows("nominal", sac=(2, 2, 2, 2)), "overload": _rows("overload", sac=(1.9, 1.8, 1.7, 1.6))}
    assert "over 4 runs of equal networks: +1.00" in flatness(rows, runs)


def test_gain_over_a_reference_of_the_same_seed():
    ours, theirs = _row("ta-sam", "nominal", {1: 2.0, 2: 4.0}), _row("single-agent", "nominal", {1: 1.0, 2: 2.0})
    assert gains(ours, theirs, "embb").mean == pytest.approx(100)
    assert gains(ours, theirs, "urllc").mean == pytest.approx(50)
    assert gains(ours, _row("single-agent", "nominal", {7: 1.0}), "embb") is None


def test_steps_to_learn():
    slow = ((100, 1.0), (200, 1.0), (300, 2.0), (400, 2.0))
    runs = [_run("sac", 1), _run("sac", 2), _run("ta-sam", 1, learning=slow), _run("ta-sam", 2, learning=slow)]
    assert (runs[0].learned_at, runs[2].learned_at) == (300, 400)
    assert "`ta-sam` less `sac`: +100 ± 0" in learning_speed(runs)
    assert _run("sac", 1, learning=((100, 1.0), (200, 1.1))).learned_at is None


def test_noise_is_judged_against_plain_sac_of_the_same_decoding():
    level = [
        _row("sac", "nominal", {1: 2.0, 2: 2.1}),
        _row("sac, share5", "nominal", {1: 1.0, 2: 1.1}),
        _row("sac, share5, noise 1", "nominal", {1: 1.5, 2: 1.6}),
        _row("actor-sam, share5", "nominal", {1: 1.0, 2: 1.2}),
    ]
    assert noise_lines({0.0: level, 0.5: level}).splitlines() == [
        "- With 50 % noise in the reports 1 of 2 methods differ from plain SAC of the same decoding: "
        "sac, share5, noise 1 +0.500 ± 0.000."
    ]


def test_spread_names_the_steadiest_method_first():
    text = spread({"nominal": _rows("nominal", sac=(1.0, 1.2, 1.4), both_sam=(1.0, 1.1, 1.2))})
    assert text.endswith("both-sam 0.1000 (n = 3), sac 0.2000 (n = 3).")


def test_runs_are_sorted_by_what_they_are_for():
    static = {"rho_actor": {"kind": "static", "start": 0.1}, "rho_critic": {"kind": "static", "start": 0.1}}
    full = [_run("sac", 1), _run("ta-sam", 1, world={"decoding": "twobit"}), _run("sac", 1, world={"report_noise": 1.0})]
    other = [_run("sac", 1, total_steps=10), _run("sac", 1, world={"n_dus": 4}), _run("both-sam", 1, sam=static)]
    sorted_runs = sort_runs([*full, *other])
    assert (list(sorted_runs.compared), list(sorted_runs.others)) == (full, other)
    assert [label_of(run, full) for run in full] == ["sac", "ta-sam, twobit", "sac, noise 1"]


def test_episodes_tell_the_same_as_an_evaluation():
    policy, world = make_slicing_policy("equal-pf"), World(n_replicas=2)
    told = play(policy, world, Episodes("overload", (911, 912), 2, 5), lambda _: None)
    evaluation = evaluate_slicing(policy, world, profile="overload", seeds=(911, 912), decisions=5)
    by_replica = {(each["seed"], each["replica"]): each["reward"] for each in told["episodes"]}
    assert by_replica == pytest.approx(evaluation.by_replica, abs=1e-5)
    for name in SLICES:
        satisfied = np.mean([each["satisfied"][name] for each in told["episodes"]])
        assert satisfied == pytest.approx(evaluation.satisfied[name].mean, abs=1e-5)
        assert len(told["qos"][name]) == len(told["ue_mbps"][name]) == len(QUANTILES)
        assert told["qos"][name] == sorted(told["qos"][name])
    assert told["ue_mbps"]["embb"][-1] > told["qos"]["embb"][-1] / 2


def test_the_study_makes_no_run_twice_and_every_one_can_be_made():
    trainings = list(study([1, 2, 3, 4]))
    assert len({(each.name, each.seed) for each in trainings}) == len(trainings)
    made = [find_slicing_config("ci", each.variant, changes=each.changes) for each in trainings]
    assert {each.world.n_dus for each in made} == {2, 4, 6, 8, 10}
    assert {each.variant for each in trainings if each.seed == 4} >= {"sac", "ta-sam", "plastic", "single-agent"}
