"""Keeps numba's on-disk cache true. Numba looks at a kernel's own file only, but kernels call kernels of other files."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from numba.core.dispatcher import Dispatcher

import ric_sim

_ROOT = Path(ric_sim.__path__[0])
_CONSTANTS = ("network/city.py", "network/graph.py", "network/episodes/arrays.py", "network/episodes/space.py", "radio/arrays.py")
"""Not kernels, but their constants are compiled into these."""


def drop_stale_kernels() -> list[Path]:
    """Removes the compiled code of every kernel if any of it is older than any kernel's source; returns what was removed.

    Kernels are the functions of modules called `kernels*.py` in this package.
    """
    sources = sorted(_ROOT.rglob("kernels*.py"))
    newest_s = max(path.stat().st_mtime for path in [*sources, *(_ROOT / name for name in _CONSTANTS)])
    compiled = sorted(path for source in sources for path in _compiled_of(source))
    if all(path.stat().st_mtime >= newest_s for path in compiled):
        return []
    for path in compiled:
        path.unlink(missing_ok=True)
    return compiled


def _compiled_of(source: Path) -> set[Path]:
    module = importlib.import_module(".".join(("ric_sim", *source.relative_to(_ROOT).with_suffix("").parts)))
    return {path for folder in _cache_folders(module) for path in folder.glob(f"{source.stem}.*.nb[ic]")}


def _cache_folders(module: ModuleType) -> set[Path]:
    """Where numba keeps the compiled functions of a module."""
    compiled = (value for value in vars(module).values() if isinstance(value, Dispatcher))
    return {Path(kernel.stats.cache_path) for kernel in compiled if kernel.stats.cache_path}
