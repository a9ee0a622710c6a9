import numpy as np
import pytest

from ric_sim.domain.reservation import Change, ChangeKind
from ric_sim.network.city import NodeKind
from ric_sim.network.montreal import build_city
from services.cli.report.utilisation import host_groups, utilisation_over_day

CITY = build_city("paper")


def change(kind: ChangeKind, now_ms: int, resource: int, amount: int) -> Change:
    return Change(0, kind, now_ms, "f", 0, 0, 0, ((resource, amount),), ())


def test_groups_hold_every_host_but_the_radio_units_once():
    members = np.concatenate(list(host_groups(CITY).values()))
    wanted = [*CITY.nodes_of(NodeKind.O_DU), *CITY.nodes_of(NodeKind.O_CU), *CITY.nodes_of(NodeKind.UPF)]
    assert sorted(members.tolist()) == sorted(int(node) + CITY.n_links for node in wanted)


def test_mean_over_each_bin():
    """Half of link 7 from 15:00:01.5 to 15:00:04: bins of one second see 0, 50 % x 0.5, 50 %, 50 %, 0."""
    start_ms = 15 * 3_600_000
    half = int(CITY.limits[7]) // 2
    log = [change(ChangeKind.COMMIT, start_ms + 1500, 7, half), change(ChangeKind.EXPIRE, start_ms + 4000, 7, half)]
    result = utilisation_over_day(CITY, log, start_ms=start_ms, end_ms=start_ms + 5000)
    assert result.time_ms.tolist() == [start_ms + 500 + 1000 * second for second in range(5)]
    assert result.link_max == pytest.approx([0, 0.25, 0.5, 0.5, 0], abs=1e-9)
    assert result.link_mean == pytest.approx(result.link_max / CITY.n_links, abs=1e-9)


def test_what_was_reserved_before_counts_and_what_comes_later_does_not():
    du = int(CITY.nodes_of(NodeKind.O_DU)[0]) + CITY.n_links
    log = [change(ChangeKind.COMMIT, 0, du, 1000), change(ChangeKind.COMMIT, 90_000, du, 5000)]
    result = utilisation_over_day(CITY, log, start_ms=60_000, end_ms=61_000)
    (group,) = (label for label, members in host_groups(CITY).items() if du in members)
    assert result.groups[group] * CITY.limits[host_groups(CITY)[group]].sum() == pytest.approx([1000])


def test_an_empty_log_is_an_empty_city():
    result = utilisation_over_day(CITY, [], start_ms=0, end_ms=86_400_000)
    assert len(result.time_ms) == 144
    assert not any(ratios.any() for ratios in result.groups.values())
