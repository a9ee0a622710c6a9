from __future__ import annotations

import numpy as np
import pytest
import torch

from xapps.learning.slicing.sam import RhoSchedule, SharpnessGuard, TdSelection, perturbed


def test_the_perturbation_has_radius_rho_along_the_gradient() -> None:
    """Case L01, eq. (12): theta (1, 2), g (3, 4), rho 0.5: (1.3, 2.4)."""
    moved = perturbed(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    assert moved[0].tolist() == pytest.approx([1.3, 2.4])


def test_every_agent_has_a_norm_of_its_own() -> None:
    slope = torch.tensor([[3.0, 4.0], [300.0, 400.0], [0.0, 0.0]])
    moved = perturbed(torch.zeros(3, 2), slope, torch.tensor([0.5, 0.5, 0.5]))
    assert moved.norm(dim=1).tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_a_dynamic_radius_falls_linearly() -> None:
    """Case L02: 0.5 to 0.01, half-way 0.255, and no further after the end."""
    schedule, variances = RhoSchedule("dynamic", 0.5, 0.01), np.ones(2)
    at = [float(schedule.radii(done, variances, 1.0)[0]) for done in (0.0, 0.5, 1.0, 2.0)]
    assert at == pytest.approx([0.5, 0.255, 0.01, 0.01])


def test_a_static_radius_stands_still() -> None:
    schedule = RhoSchedule("static", 0.2, 0.01)
    assert [schedule.radii(done, np.ones(2), 1.0).tolist() for done in (0.0, 1.0)] == [[0.2, 0.2]] * 2


def test_a_td_driven_radius_follows_each_agents_variance() -> None:
    radii = RhoSchedule("td", 0.5, 0.1).radii(0.9, np.array([0.0, 1.0, 2.0]), 2.0)
    assert radii.tolist() == pytest.approx([0.1, 0.3, 0.5])


def test_agents_above_the_median_are_chosen() -> None:
    """Case L03: variances 1, 2, 3, 4 have median 2.5; threshold 1 chooses the last two, threshold 1.5 the last."""
    variances = np.array([1.0, 2.0, 3.0, 4.0])
    chosen = {}
    for threshold in (1.0, 1.5):
        selection = TdSelection(4, threshold)
        selection.observe(variances)
        chosen[threshold] = selection.chosen.tolist()
    assert chosen == {1.0: [False, False, True, True], 1.5: [False, False, False, True]}


def test_an_absolute_threshold_can_choose_all_or_none() -> None:
    for threshold, expected in ((0.5, True), (9.0, False)):
        selection = TdSelection(3, threshold, absolute=True)
        selection.observe(np.array([1.0, 2.0, 3.0]))
        assert selection.chosen.tolist() == [expected] * 3


def test_hysteresis_keeps_who_is_chosen() -> None:
    kept, dropped = (TdSelection(3, 1.0, hysteresis=hysteresis, decay=0.0) for hysteresis in (0.2, 0.0))
    for selection in (kept, dropped):
        selection.observe(np.array([0.5, 1.1, 1.0]))
        assert selection.chosen.tolist() == [False, True, True]
        selection.observe(np.array([0.5, 1.1, 1.2]))
    assert kept.chosen.tolist() == [False, True, True]
    for selection in (kept, dropped):
        selection.observe(np.array([1.3, 1.1, 1.2]))  # the median is 1.2 now
    assert kept.chosen.tolist() == [True, True, True]
    assert dropped.chosen.tolist() == [True, False, True]


def test_variances_are_moving_averages() -> None:
    selection = TdSelection(2, decay=0.99)
    selection.observe(np.array([1.0, 2.0]))
    selection.observe(np.array([2.0, 2.0]))
    assert selection.variances.tolist() == pytest.approx([1.01, 2.0])
    assert selection.peak == 2.0


def test_the_guard_halves_the_radius_and_lets_it_recover() -> None:
    guard = SharpnessGuard(1.2)
    guard.observe(1.5)
    assert guard.scale == 0.5
    for _ in range(100):
        guard.observe(1.1)
    assert guard.scale == 1.0
    unguarded = SharpnessGuard(None)
    unguarded.observe(100.0)
    assert unguarded.scale == 1.0
