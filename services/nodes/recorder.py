"""What the node process leaves behind: gauges and progress.json while the day is played, the ledger and the summary after."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from ric_sim.e2.node.player import DayPlayer
from ric_sim.e2.node.summary import progress, summarise
from ric_sim.telemetry import counter, gauge

PROGRESS_PERIOD_S = 0.2


class Recorder:
    """Mirrors a `DayPlayer` to metrics and, given a folder, to files. Every file is replaced at once, never half written."""

    def __init__(self, player: DayPlayer, folder: Path | None) -> None:
        self._player = player
        self._folder = folder
        self._cpu_before_s = time.process_time()
        self._ignored = dict.fromkeys(("answered_twice", "late", "unknown"), 0)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    async def until_done(self) -> None:
        """Keeps gauges and progress up to date until the day is done."""
        while not self._player.done:
            self.publish()
            await asyncio.sleep(PROGRESS_PERIOD_S)

    async def for_ever(self) -> None:
        """The same without end: flows still end after the last request."""
        while True:
            self.publish()
            await asyncio.sleep(PROGRESS_PERIOD_S)

    def publish(self) -> None:
        """Sets the gauges and rewrites progress.json."""
        now_s = time.monotonic()
        player = self._player
        if player.started_s is None:
            self._cpu_before_s = time.process_time()
        gauge("ricity_nodes_outstanding_requests").set(len(player.outstanding))
        gauge("ricity_nodes_emulated_time_seconds").set(player.emulated_ms(now_s) / 1000)
        gauge("ricity_nodes_clock_lag_seconds").set(player.lag_s(now_s))
        self._publish_services()
        self._publish_ignored()
        self._write("progress.json", progress(player, now_s))

    def write_results(self) -> None:
        """Writes ledger.npz, nodes_summary.json and the last progress.json; nothing if the day never began."""
        self.publish()
        if self._folder is not None and self._player.started_s is not None:
            self._player.ledger.save(self._folder / "ledger.npz")
            cpu_s = round(time.process_time() - self._cpu_before_s, 3)
            self._write("nodes_summary.json", {**summarise(self._player, began_unix_s=self._began_unix_s()), "cpu_s": cpu_s})

    def _began_unix_s(self) -> float | None:
        started_s = self._player.started_s
        return None if started_s is None else round(time.time() - (time.monotonic() - started_s), 6)

    def _publish_services(self) -> None:
        ledger, load = self._player.ledger, self._player.load
        for service, spec in enumerate(self._player.city.services):
            gauge("ricity_nodes_active_flows").labels(service=spec.key).set(load.active[service])
            if ledger.settled_by_service[service]:
                gos = ledger.accepted_by_service[service] / ledger.settled_by_service[service]
                gauge("ricity_nodes_gos_ratio").labels(service=spec.key).set(gos)

    def _publish_ignored(self) -> None:
        for reason, seen in self._ignored.items():
            now = getattr(self._player.ledger, reason)
            counter("ricity_nodes_ignored_answers_total").labels(reason=reason).inc(now - seen)
            self._ignored[reason] = now

    def _write(self, name: str, content: dict[str, Any]) -> None:
        if self._folder is not None:
            part = self._folder / f".{name}.{os.getpid()}.part"
            part.write_text(json.dumps(content))
            part.replace(self._folder / name)
