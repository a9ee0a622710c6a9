"""Swaps a running xApp's weights for new ones when their file is replaced, and keeps the good ones when those are not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from ric_sim.domain.errors import RicityError
from ric_sim.network.policies.learned import LearnedPolicy
from ric_sim.telemetry import counter, gauge
from xapps.sdk.file_changes import FileChanges

PERIOD_S = 1.0

Load = Callable[[], LearnedPolicy]
Take = Callable[[LearnedPolicy], None]

_DIGITS = 12


class WeightsWatch:
    """Looks at one file every `PERIOD_S`, on a thread of its own, where new weights are loaded and verified, too."""

    def __init__(self, path: Path, policy: LearnedPolicy, load: Load, take: Take, *, xapp: str) -> None:
        """
        Args:
            path: the file that is watched.
            policy: what is in use now.
            load: builds the policy anew from the file, or raises a `RicityError`.
            take: puts a new policy into use; called on the watch's thread.
            xapp: name in the metrics.
        """
        self._changes = FileChanges(path)
        self._load = load
        self._take = take
        self._xapp = xapp
        self._log = structlog.get_logger()
        swaps = counter("ricity_routing_weight_swaps_total")
        self._swaps = {outcome: swaps.labels(xapp=xapp, outcome=outcome) for outcome in ("ok", "refused")}
        self._info = gauge("ricity_routing_weights_info")
        self._sha256 = ""
        self._show(policy)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weights-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; nothing is swapped any more once this returns."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Loads the file if it has changed since the last look; True when other weights were put into use."""
        if not self._changes.look():
            return False
        try:
            policy = self._load()
        except RicityError as error:
            self._swaps["refused"].inc()
            self._log.error("weights.refused", path=str(self._changes.path), code=error.code, error=str(error), kept=self._sha256)
            return False
        before = self._sha256
        if _sha256(policy) == before:
            return False
        self._take(policy)
        self._show(policy)
        self._swaps["ok"].inc()
        self._log.info("weights.swapped", path=str(self._changes.path), sha256=self._sha256, before=before)
        return True

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            self.look()

    def _show(self, policy: LearnedPolicy) -> None:
        if self._sha256:
            self._info.remove(self._xapp, self._sha256)
        self._sha256 = _sha256(policy)
        self._info.labels(xapp=self._xapp, sha256=self._sha256).set(1)


def _sha256(policy: LearnedPolicy) -> str:
    """The first digits of the weights' digest; an xApp routes one service, so there is one."""
    (weights,) = policy.weights.values()
    return weights.sha256[:_DIGITS]
