"""Containers for real. Without a Docker engine these tests are left out with a loud word, or fail where one is required."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.compose.stack import TlsStack, command

HERE = Path(__file__).parent
REQUIRED = "RICITY_TEST_REQUIRE_ENGINE"
TEST_TIMEOUT_S = 600


def _missing():
    """Why containers cannot be started here; empty when they can."""
    for words in (("docker", "info"), ("docker", "compose", "version")):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"`{' '.join(words)}`: {error}"
        if done.returncode:
            return f"`{' '.join(words)}`: {done.stderr.strip().splitlines()[-1]}"
    return ""


def pytest_collection_modifyitems(config, items):
    ours = [item for item in items if HERE in item.path.parents]
    if not ours:
        return
    # Those that share one deployment come last, so that no other runs beside it.
    items.sort(key=lambda item: "secured" in getattr(item, "fixturenames", ()))
    config.stash[_REASON] = reason = _missing()
    for item in ours:
        item.add_marker(pytest.mark.compose)
        item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))
        if reason and os.environ.get(REQUIRED) != "1":
            item.add_marker(pytest.mark.skip(reason=f"no Docker engine: {reason}"))


_REASON = pytest.StashKey[str]()


def pytest_terminal_summary(terminalreporter, config):
    if reason := config.stash.get(_REASON, ""):
        terminalreporter.section("CONTAINERS WERE NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"No Docker engine answers: {reason}")
        terminalreporter.line(f"Start one and run `make test-compose`; {REQUIRED}=1 makes its absence a failure.")


@pytest.fixture(scope="session")
def image(pytestconfig):
    """The images that every stack starts, built once."""
    reason = pytestconfig.stash.get(_REASON, "")
    assert not reason, f"{REQUIRED}=1, but no Docker engine answers: {reason}"
    command("make", "wheelhouse", timeout_s=TEST_TIMEOUT_S)
    command("docker", "compose", "build", timeout_s=TEST_TIMEOUT_S)
    return "ricity:dev"


@pytest.fixture(scope="session")
def secured(image):
    """The deployment as `docker compose up` makes it, with mutual TLS and tokens, while it plays a day of twelve minutes."""
    stack = TlsStack(PROFILE="paper", SPEED="120", PUBLISH_EVERY_MIN="0.2")
    try:
        stack.up()
        stack.token = stack.make_token("tester", "operator")
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def undisturbed():
    """What `ricity eval routing` says of the paper's test day, decided in-process, without any service."""
    ricity = str(Path(sys.executable).with_name("ricity"))
    words = ("eval", "routing", "--policy", "learned", "--profile", "paper", "--day", "test", "--json")
    return json.loads(command(ricity, *words))
