"""Audits in turn, and what the metrics say of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ric_sim.domain.errors import NotFound, StoreCorrupt, StoreUnreachable
from ric_sim.store.access import StoreAccess
from ric_sim.store.audit import AuditReport, audit
from ric_sim.store.redis_store import RedisStore
from ric_sim.telemetry import counter, gauge, histogram
from services.auditor.settings import AuditorSettings

VERDICTS = ("passed", "failed", "not_done")


class AuditWatch:
    """Audits one namespace.

    A store that does not answer, or holds no city yet, is no failed audit: nothing is known then, and the time of the last
    proof stands still.
    """

    def __init__(self, settings: AuditorSettings, *, log: Any) -> None:
        self._settings, self._log = settings, log
        audits = counter("ricity_auditor_audits_total")
        self._audits = {verdict: audits.labels(verdict=verdict) for verdict in VERDICTS}
        self._violations = gauge("ricity_auditor_found_violations")
        self._proven = gauge("ricity_auditor_proven_timestamp_seconds")
        self._proven.set(time.time())  # the time without a proof counts from here
        self._seconds = histogram("ricity_auditor_audit_seconds")
        self.done = asyncio.Event()
        """Set after the first audit, whatever came of it."""

    async def run(self) -> None:
        """Audits until cancelled. The work is done in a thread, so that the status port answers meanwhile."""
        while True:
            await self.look()
            self.done.set()
            await asyncio.sleep(self._settings.every_s)

    async def look(self) -> str:
        """One audit; its verdict."""
        began_s = time.perf_counter()
        try:
            report = await asyncio.to_thread(self._audit)
        except (StoreUnreachable, NotFound) as error:
            self._log.warning("audit.not_done", code=error.code, error=str(error))
            return self._count("not_done")
        except StoreCorrupt as error:
            self._violations.set(1)
            self._log.error("audit.failed", code=error.code, first=str(error))
            return self._count("failed")
        self._seconds.observe(time.perf_counter() - began_s)
        return self._tell(report)

    def _audit(self) -> AuditReport:
        settings = self._settings
        access = StoreAccess(settings.store_url, settings.store_password_file, settings.tls_dir)
        with RedisStore(access, settings.namespace, patience_s=settings.store_patience_s) as store:
            store.layout()
            report = audit(store)
            # A failover amid the reading mixes two stores; a violation that is real is there the second time, too.
            return audit(store) if access.is_replicated and not report.ok else report

    def _tell(self, report: AuditReport) -> str:
        self._violations.set(report.n_violations)
        if not report.ok:
            self._log.error("audit.failed", n_violations=report.n_violations, first=str(report.violations[0]))
            return self._count("failed")
        self._proven.set(time.time())
        self._log.info("audit.passed", records=report.records, live=report.live)
        return self._count("passed")

    def _count(self, verdict: str) -> str:
        self._audits[verdict].inc()
        return verdict
