"""One xApp stopped for most of the day: its own service takes the default action, the other five do not notice."""

import pytest

from tests.e2e.compose.stack import ROUTING_HALF, Stack, answers, eventually, gos_by_service

STOPPED = "voip"
REQUESTS = 47_061
STOP_AFTER = 2_000
DAY_WITHIN_S = 400
GOS_TOLERANCE = 0.01
"""Of one service: 16 of AR's 1,594 requests."""


@pytest.fixture(scope="module")
def played(image):
    stack = Stack(PROFILE="paper", SPEED="max")
    try:
        stack.up(*ROUTING_HALF)
        eventually(lambda: answers(stack) >= STOP_AFTER, within_s=120, every_s=0.5)
        stack.compose("stop", f"routing-{STOPPED}")
        eventually(lambda: answers(stack) == REQUESTS, within_s=DAY_WITHIN_S, every_s=2)
        yield stack
    finally:
        stack.down()


def test_the_other_services_keep_their_grade_of_service(played, undisturbed):
    for service, gos in gos_by_service(played).items():
        if service != STOPPED:
            assert gos >= undisturbed["gos_by_service"][service] - GOS_TOLERANCE, service


def test_the_stopped_service_is_left_to_the_default_action(played):
    defaulted = answers(played, outcome="default")
    assert defaulted > 10_000
    assert answers(played, outcome="default", service=STOPPED) == defaulted


def test_the_audit_passes(played):
    assert played.ricity("audit", "--store", "redis://store:6379/0")["ok"]
