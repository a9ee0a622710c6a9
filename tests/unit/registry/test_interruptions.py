"""A process is killed at every step on disk of every operation: the index is whole, and nothing stays lying about."""

import os
import shutil
import signal
import sys

import pytest

from ric_sim.network.policies.learned import save_weights
from services.registry.model import Stage
from services.registry.registry import Registry
from tests.untrained import untrained_weights

VIDEO = "routing-amarl-video"
_STEPS = {"open", "os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}
_MOST_STEPS = 300


def _killed_at(step, operation, root):
    """Runs the operation in a child that kills itself right before its `step`-th access to the folder; False if it
    got through."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event, arguments):
            if event in _STEPS and any(str(root) in str(argument) for argument in arguments):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1

        sys.addaudithook(count)
        operation(Registry(root))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


@pytest.fixture
def agents(tmp_path):
    """Makes a weight file of one agent; equal seeds, equal weights."""

    def make(seed):
        path = tmp_path / f"video-{seed}.safetensors"
        save_weights(path, untrained_weights("video", seed=seed))
        return path

    return make


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        (lambda registry, third: registry.publish(VIDEO, third), {3: "staged"}),
        (lambda registry, _: registry.promote(VIDEO, 2), {1: "retired", 2: "production"}),
        (lambda registry, _: registry.promote(VIDEO, 2, Stage.CANARY), {2: "canary"}),
        (lambda registry, _: registry.collect(keep_retired=0), {}),
    ],
    ids=["publish", "promote", "canary", "gc"],
)
def test_killed_at_any_step(operation, after, tmp_path, agents, record_property):
    origin, third = Registry(tmp_path / "origin"), agents(3)
    for seed in (1, 2):
        origin.publish(VIDEO, agents(seed))
    origin.promote(VIDEO, 1)
    (origin.root / "blobs" / "orphan").write_bytes(b"")
    start, step, killed, seen = _stages(origin), 0, True, []
    while killed:
        root = shutil.copytree(origin.root, tmp_path / f"registry-{step}", symlinks=True)
        killed = _killed_at(step, lambda registry: operation(registry, third), root)
        registry = Registry(root)
        assert _stages(registry) in (start, start | after)
        seen.append(_stages(registry) == start | after)
        registry.collect()
        assert registry.verify() == []
        assert registry.collect().removed == ()
        operation(registry, third)
        assert _stages(registry) == start | after
        assert registry.verify() == []
        step += 1
        assert step < _MOST_STEPS
    record_property("steps", step)
    assert step > 5
    assert not after or (seen[0], seen[-1]) == (False, True)


def _stages(registry):
    return {each.version: str(each.stage) for each in registry.model(VIDEO).versions}
