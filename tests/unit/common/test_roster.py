"""Who gets which certificate."""

from __future__ import annotations

import pytest

from services.common.roster import platform

MEMBERS = {member.name: member for member in platform()}


def test_an_address_is_for_the_part_that_it_names_or_for_all_with_a_door():
    given = ("store=db.example", "city.example")
    assert MEMBERS["store"].leaf(given).addresses == ("db.example", "city.example")
    assert MEMBERS["ric"].leaf(given).addresses == ("city.example",)


@pytest.mark.parametrize("name", ["nodes", "auditor", "cli", "grafana"])
def test_without_a_door_there_is_no_address_to_answer_to(name):
    assert MEMBERS[name].leaf(("city.example", f"{name}=city.example")).addresses == ()


def test_all_but_mere_clients_have_a_port():
    assert {name for name, member in MEMBERS.items() if not member.leaf().serves} == {"cli", "trainer", "grafana"}
    assert {name for name, member in MEMBERS.items() if member.leaf().is_shared} == {"store", "prometheus", "grafana"}


def test_programs_of_others_may_do_nothing_over_grpc():
    assert [MEMBERS[name].scope for name in ("store", "prometheus", "grafana", "auditor")] == [{"verbs": []}] * 4
