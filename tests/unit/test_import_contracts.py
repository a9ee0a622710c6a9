"""The import contracts of pyproject.toml hold, and each of them bites when it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ric_sim", "services", "xapps")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources to break."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", root)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "xapps" / "another").mkdir()
    (root / "xapps" / "another" / "__init__.py").touch()
    return root


def _lint(root):
    # The copy must be found before the installed project.
    run = "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", run, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_sources_keep_every_contract(tree):
    result = _lint(tree)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("ric_sim/domain/broken.py", "import ric_sim.network.city", "Imports go down only"),
        ("ric_sim/network/broken.py", "import ric_sim.store.base", "Imports go down only"),
        ("ric_sim/e2/broken.py", "import services.common.logs", "Imports go down only"),
        ("xapps/routing/broken.py", "import services.common.logs", "Imports go down only"),
        ("services/nodes/broken.py", "import services.ric.settings", "Services never import each other"),
        ("services/common/broken.py", "import services.ric.settings", "Services never import each other"),
        ("xapps/routing/broken.py", "import xapps.another", "xApps never import each other"),
        ("services/nodes/broken.py", "import ric_sim.store.base", "One door to the store"),
        ("xapps/sdk/broken.py", "import ric_sim.store.base", "One door to the store"),
        ("xapps/routing/broken.py", "import redis", "xApps know the store only through the RIC"),
        (
            "services/common/broken.py",
            "import torch",
            "The simulator and the services but the trainer know no learning framework",
        ),
        ("ric_sim/envs/broken.py", "import ray", "The simulator and the services but the trainer know no learning framework"),
        ("ric_sim/network/broken.py", "import grpc", "Domain and network do no input or output over a wire"),
    ],
)
def test_a_contract_bites(tree, module, line, contract):
    path = tree / module
    path.write_text(line + "\n")
    try:
        result = _lint(tree)
    finally:
        path.unlink()
    broken = [row for row in result.stdout.splitlines() if " BROKEN" in row]
    assert result.returncode == 1
    assert any(row.startswith(contract) for row in broken), result.stdout
