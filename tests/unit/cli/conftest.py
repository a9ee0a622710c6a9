from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.cli.report.ledger import DayLedger

ColumnMaker = Callable[..., DayLedger]


@pytest.fixture
def make_ledger() -> ColumnMaker:
    """A ledger of as many flows as `service` has; everything not given is an accepted flow, 1 ms after the one before."""

    def make(**given: Any) -> DayLedger:
        n = len(given["service"])
        sent_us = np.arange(n) * 1000
        defaults: dict[str, Any] = {
            "outcome": np.ones(n),
            "cause": np.zeros(n),
            "latency_us": np.full(n, 5000),
            "raised_us": sent_us,
            "sent_us": sent_us,
            "answered_us": sent_us + 2000,
        }
        return DayLedger(**{name: np.asarray(value).astype(np.int64) for name, value in (defaults | given).items()})

    return make
