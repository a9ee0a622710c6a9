"""The import contracts of pyproject.toml hold, and each of them bites when it is broken."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ric_sim", "services", "xapps")


NO_FRAMEWORK = "The simulator and the services but the trainer know no learning framework"
BREACHES = (
    ("ric_sim/domain", "import ric_sim.network.city", "Imports go down only"),
    ("ric_sim/network", "import ric_sim.store.base", "Imports go down only"),
    ("ric_sim/e2", "import services.common.logs", "Imports go down only"),
    ("xapps/routing", "import services.common.logs", "Imports go down only"),
    ("services/nodes", "import services.ric.settings", "Services never import each other"),
    ("services/common", "import services.ric.settings", "Services never import each other"),
    ("xapps/routing", "import xapps.another", "xApps never import each other"),
    ("services/nodes", "import ric_sim.store.base", "One door to the store"),
    ("xapps/sdk", "import ric_sim.store.base", "One door to the store"),
    ("xapps/routing", "import redis", "xApps know the store only through the RIC"),
    ("services/common", "import torch", NO_FRAMEWORK),
    ("ric_sim/envs", "import ray", NO_FRAMEWORK),
    ("ric_sim/network", "import grpc", "Domain and network do no input or output over a wire"),
)
"""Package, what a module in it must not import, and the contract that forbids it."""


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


@pytest.fixture(scope="module")
def breaches_by_contract(tree):
    """What each contract says of a tree with all breaches, each in a module of its own: reading all imports once is enough."""
    for number, (package, line, _) in enumerate(BREACHES):
        (tree / package / f"broken_{number}.py").write_text(line + "\n")
    result = _lint(tree)
    for number, (package, _, _) in enumerate(BREACHES):
        (tree / package / f"broken_{number}.py").unlink()
    assert result.returncode == 1
    _, _, told = result.stdout.partition("Broken contracts\n")
    return dict(re.findall(r"^(.+)\n-+\n\n((?:.|\n)+?)(?=^.+\n-+\n\n|\Z)", told, flags=re.MULTILINE))


@pytest.mark.parametrize("number", range(len(BREACHES)), ids=[f"{package}: {line}" for package, line, _ in BREACHES])
def test_a_contract_bites(breaches_by_contract, number):
    package, line, contract = BREACHES[number]
    module = f"{package.replace('/', '.')}.broken_{number}"
    (told,) = (text for name, text in breaches_by_contract.items() if name.startswith(contract))
    assert f"{module} -> {line.split()[1]} (l.1)" in told, told
