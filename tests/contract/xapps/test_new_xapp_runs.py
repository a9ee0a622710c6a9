"""`make new-xapp`: what it makes starts, attaches to a real RIC and passes the test made with it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.harness import repository
from xapps.sdk.new_xapp import create_xapp


def _copy_shared_test_code(root):
    for name in ("harness.py", "contract/xapps/xapp_process.py"):
        shutil.copy(repository() / "tests" / name, root / "tests" / name)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_new_xapp_passes_its_generated_test(tmp_path):
    shutil.copytree(repository() / "xapps", tmp_path / "xapps", ignore=shutil.ignore_patterns("__pycache__"))
    made = create_xapp("load_balancer", root=tmp_path)
    _copy_shared_test_code(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made[-1])]
    # The copy's packages come before the installed ones.
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=360, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(".."), result.stdout


@pytest.mark.parametrize("name", ["qos", "load_balancer", "zone-watcher", "a_name_as_long_as_they_can_get_0"])
def test_a_new_xapp_keeps_the_house_rules(tmp_path, name):
    shutil.copy(repository() / "pyproject.toml", tmp_path)
    made = [str(path) for path in create_xapp(name, root=tmp_path) if path.suffix == ".py"]
    _copy_shared_test_code(tmp_path)
    for verb in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *verb, "--no-cache", *made]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
