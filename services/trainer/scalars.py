"""Scalars for TensorBoard, named `<agent>/<what>`; docs/training.md says what each means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter


class ScalarLog:
    """Event files in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder))

    def write(self, step: int, report: Mapping[str, Mapping[str, float]]) -> None:
        """Scalars by agent at a number of decisions."""
        for agent, scalars in report.items():
            for name, value in scalars.items():
                self._writer.add_scalar(f"{agent}/{name}", value, step)

    def close(self) -> None:
        """Writes what is buffered."""
        self._writer.close()
