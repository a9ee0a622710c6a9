"""What the judge makes of windows: verdicts, guards, and the numbers of requests they take."""

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from services.manager.ab.figure import evidence_svg
from services.manager.ab.judge import Judge
from services.manager.ab.model import AbTest, Spec, State
from services.manager.ab.rules import Rules, Verdict
from tests.unit.manager.ab.windows import counts, drawn

AMPLE = Rules(max_requests=60_000)


def judged(ratios, *, percent, seed, rules=AMPLE):
    """Plays windows until there is a verdict."""
    rng, judge = np.random.default_rng(seed), Judge(("voip",), rules)
    while (found := judge.verdict()) is None:
        judge.take(drawn(rng, ratios, percent=percent), unix_ms=judge.requests)
    return judge, *found


@pytest.mark.parametrize(
    ("base", "percent", "within"), [(0.002, 5, 10_000), (0.01, 5, 15_000), (0.01, 50, 5_000), (0.15, 50, 20_000)]
)
def test_three_points_less_are_found_within_the_stated_number_of_requests(base, percent, within, record_property):
    """docs/ab.md states these numbers."""
    runs = [judged((base, base + 0.03), percent=percent, seed=seed) for seed in range(20)]
    assert {verdict for _, verdict, _ in runs} == {Verdict.WORSE}
    needed = sorted(judge.requests for judge, _, _ in runs)
    record_property(f"requests to WORSE, base {base}, {percent} %: median, most", f"{needed[10]}, {needed[-1]}")
    assert needed[18] <= within


def test_a_better_candidate_is_promoted_but_not_before_the_least_number_of_requests():
    judge, verdict, reason = judged((0.10, 0.02), percent=20, seed=3, rules=Rules(min_requests=5_000))
    assert verdict is Verdict.BETTER
    assert judge.requests == 5_000
    assert "rose by" in reason
    low, high = judge.gain_interval
    assert 0 < low < 0.08 < high


def test_equal_versions_end_undecided_and_rarely_otherwise():
    rules = Rules(max_requests=5_000)
    verdicts = [judged((0.05, 0.05), percent=20, seed=seed, rules=rules)[1] for seed in range(60)]
    assert verdicts.count(Verdict.UNDECIDED) >= 57


@pytest.mark.parametrize(
    ("bad", "guard"),
    [({"expired": 2}, "errors"), ({"lost": 2}, "errors"), ({"aborted": 6}, "aborts"), ({"slow": 6}, "latency")],
)
def test_a_broken_guard_ends_the_test_at_once(bad, guard):
    judge = Judge(("voip",), Rules())
    for second in range(1, 40):
        judge.take({"voip": (counts(50, 10), counts(10, 2, **bad))}, unix_ms=1000 * second)
        if (found := judge.verdict()) is not None:
            break
    assert found is not None
    verdict, reason = found
    assert verdict is Verdict.GUARD
    assert f"guard {guard}" in reason
    assert second <= 10


@pytest.mark.parametrize("bad", [{"refused": 10, "expired": 10}, {"lost": 10}, {"aborted": 10}, {"slow": 10}])
@pytest.mark.parametrize("side", [0, 1])
def test_one_moment_of_standing_still_decides_nothing(bad, side):
    judge = Judge(("voip",), Rules(min_requests=100, max_requests=10_000))
    for second in range(60):
        sides = [{"refused": second % 7 == 0, "slow": second % 5 == 0}, {"refused": second % 7 == 3, "slow": second % 5 == 2}]
        if second in (30, 31):
            sides[side] = bad
        judge.take({"voip": (counts(10, **sides[0]), counts(10, **sides[1]))}, unix_ms=1000 * second)
        assert judge.verdict() is None, second


def test_a_small_difference_does_not_break_a_guard_however_sure_it_is():
    judge = Judge(("voip",), Rules(max_requests=1_000_000))
    for second in range(400):
        judge.take({"voip": (counts(500), counts(500, slow=3))}, unix_ms=second)
    assert judge.guarding["latency"].is_more(1e-6)
    assert judge.verdict() is None


def test_one_service_may_not_pay_for_the_others():
    judge = Judge(("iot", "voip"), Rules(min_requests=100_000))
    for second in range(40):
        judge.take({"iot": (counts(100, 20), counts(100, 10)), "voip": (counts(50, 1), counts(50, 8))}, unix_ms=second)
        if (found := judge.verdict()) is not None:
            break
    assert found is not None
    assert found[0] is Verdict.GUARD
    assert "voip" in found[1]


def test_a_test_on_disk_goes_on_where_it_stood():
    rng = np.random.default_rng(5)
    spec = Spec("routing-voip", "0.1.0", "0.2.0", 20)
    test = AbTest("ab-1", spec, Judge(("voip",), spec.rules), started_unix_s=12.0, epoch="e", cursor=7)
    for second in range(900):
        test.judge.take(drawn(rng, (0.1, 0.1), percent=20), unix_ms=second)
    assert len(test.judge.track) <= 400
    again = AbTest.from_json(test.to_json())
    assert again.report() == test.report()
    assert again.to_json() == test.to_json()
    older = test.to_json()
    for kept in (older["judge"]["overall"], *older["judge"]["guarding"].values(), *older["judge"]["by_service"].values()):
        del kept["log_evidence"]  # before no window was cut
    assert AbTest.from_json(older).judge.requests == test.judge.requests


def test_weights_never_leave_nobody_to_ask():
    spec = Spec("routing-voip", "1.0.0", "1.1.0", 5)
    assert spec.weights(State.RUNNING) == {"1.0.0": 9500, "1.1.0": 500}
    for state, first in ((State.PROMOTING, "1.1.0"), (State.ROLLING_BACK, "1.0.0")):
        in_order = list(spec.weights(state).items())
        assert in_order[0] == (first, 100)
        assert in_order[1][1] == 0


def test_impossible_specifications_are_refused():
    with pytest.raises(InvalidInput, match="against itself"):
        Spec("routing-voip", "1.0.0", "1.0.0")
    for percent in (0.0, 95.0, float("nan")):
        with pytest.raises(OutOfRange, match="candidate_percent"):
            Spec("routing-voip", "1.0.0", "1.1.0", percent)
    for unusable in ({"alpha": 0.0}, {"guard_error_ratio": 2.0}, {"max_requests": 0}, {"guard_slow_ms": 7.0}):
        with pytest.raises(OutOfRange):
            Rules(**unusable)


def test_the_figure_is_sound_xml_before_and_after_the_first_window():
    from xml.etree import ElementTree

    spec = Spec("routing-voip", "0.1.0", "0.2.0")
    test = AbTest("ab-1", spec, Judge(("voip",), spec.rules), started_unix_s=0.0)
    assert "No window" in evidence_svg(test.report())
    for second in range(30):
        test.judge.take(drawn(np.random.default_rng(second), (0.1, 0.3), percent=30), unix_ms=second)
    root = ElementTree.fromstring(evidence_svg(test.report()))
    assert len([element for element in root.iter() if element.tag.endswith("polyline")]) == 3
