"""Compiled kernels that are older than any kernel are dropped; in a cache of its own, so that no other test compiles again."""

import os
import subprocess
import sys

import pytest

_WHERE = "from ric_sim.network import kernels_walk; print(kernels_walk.valid_actions.stats.cache_path)"
_DROP = "from ric_sim.network.compiled_cache import drop_stale_kernels; print(len(drop_stale_kernels()))"


@pytest.fixture
def run(tmp_path):
    def run(program):
        env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout.strip()

    return run


def test_only_a_stale_cache_is_dropped_and_then_as_a_whole(run, tmp_path):
    folder = tmp_path / run(_WHERE)
    folder.mkdir(parents=True, exist_ok=True)
    fresh, stale, foreign = (folder / name for name in ("kernels_walk.f-1.nbi", "kernels_walk.f-1.1.nbc", "other.f-1.nbi"))
    for path in (fresh, stale, foreign):
        path.touch()
    assert run(_DROP) == "0"
    os.utime(stale, (1, 1))
    os.utime(foreign, (1, 1))
    assert run(_DROP) == "2"
    assert list(folder.iterdir()) == [foreign]
