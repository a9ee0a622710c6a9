"""Time to heal as the nodes see it."""

from __future__ import annotations

from ric_sim.e2.node.outages import Outage, OutageTracker


def tracker() -> OutageTracker:
    return OutageTracker(["ar", "iot"])


def test_the_longest_gap_counts_only_while_requests_wait():
    gaps = tracker()
    gaps.raised(0, 0.0)
    gaps.settled(0, 0.25, by_ric=True)
    gaps.raised(0, 100.0)
    gaps.raised(0, 100.1)
    gaps.settled(0, 100.5, by_ric=True)
    gaps.settled(0, 100.6, by_ric=True)
    assert gaps.longest_gap_s == [0.5, 0.0]
    assert gaps.outages == []


def test_a_service_without_answers_had_an_outage():
    gaps = tracker()
    gaps.raised(1, 2.0)
    gaps.raised(1, 3.0)
    gaps.settled(1, 5.5, by_ric=True)
    assert gaps.outages == [Outage("iot", 2.0, 3.5)]
    gaps.settled(1, 5.6, by_ric=True)
    assert len(gaps.outages) == 1


def test_giving_a_request_up_heals_nothing():
    gaps = tracker()
    gaps.raised(0, 0.0)
    gaps.raised(0, 1.0)
    gaps.settled(0, 11.0, by_ric=False)
    assert (gaps.outages, gaps.longest_gap_s[0]) == ([], 11.0)
    gaps.settled(0, 12.0, by_ric=True)
    assert gaps.outages == [Outage("ar", 0.0, 12.0)]


def test_an_association_is_healed_by_the_first_answer_on_a_new_one():
    gaps = tracker()
    gaps.raised(0, 9.9)
    gaps.association_lost(10.0)
    gaps.association_up()
    gaps.association_lost(10.2)
    gaps.association_up()
    gaps.settled(0, 10.5, by_ric=True)
    assert gaps.outages == [Outage("association", 10.0, 0.5)]
    gaps.raised(0, 11.0)
    gaps.settled(0, 11.1, by_ric=True)
    assert len(gaps.outages) == 1


def test_an_answer_of_the_old_association_heals_nothing():
    gaps = tracker()
    gaps.raised(0, 10.0)
    gaps.association_lost(10.0)
    gaps.settled(0, 10.1, by_ric=True)
    assert gaps.outages == []
