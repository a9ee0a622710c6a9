"""Starts A/B tests, looks at the RIC once a second, and carries out what the judge says.

Everything is decided from what is on disk and what the RIC says now, so a manager that was killed anywhere goes on where it
stood: a verdict is on disk before the first weight is changed because of it, and weights are set again until they are right.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from ric_sim.domain.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    RicityError,
    RolloutUnderway,
    TrialUnderway,
    UnknownKey,
)
from ric_sim.telemetry import counter, gauge
from ricity.e2.v1 import outcomes_pb2
from services.manager.ab.counts import window_counts
from services.manager.ab.folder import AbFolder
from services.manager.ab.judge import Judge
from services.manager.ab.model import AbTest, Spec, State
from services.manager.ab.rules import Verdict
from services.manager.ab.versions import RicVersions, Weights

POLL_S = 1.0
GONE_S = 10.0
"""A version without an instance for so long is gone; restarts are shorter."""


class Operations(Protocol):
    """What else changes versions, and owns the instances it has started."""

    def is_changing(self, xapp: str) -> bool:
        """A rollout of the xApp is under way; must not block."""
        ...

    async def settle(self, xapp: str, *, winner: str, loser: str) -> None:
        """Makes the winner what the xApp is to run; drains and stops the loser's instances that it has started itself.

        Called again after a failure or a restart. Raises a `RicityError` if it has to be tried again.
        """
        ...


class NoOperations:
    """All instances were started by others: the loser's stay attached and get nothing."""

    def is_changing(self, xapp: str) -> bool:
        """Never."""
        return False

    async def settle(self, xapp: str, *, winner: str, loser: str) -> None:
        """Weights are all there is to set."""


class AbEngine:
    """All tests of one RIC. One event loop; every step runs under one lock."""

    def __init__(self, folder: AbFolder, ric: RicVersions, *, operations: Operations | None = None, log: Any) -> None:
        """Takes up the tests in `folder`. Raises `StoreCorrupt`."""
        self._folder = folder
        self._ric = ric
        self._operations = operations or NoOperations()
        self._log = log
        self._tests = {test.test_id: test for test in folder.load()}
        self._lock = asyncio.Lock()
        self._missing_since_s: dict[tuple[str, str], float] = {}
        self._failing = False

    # --- for the REST interface ----------------------------------------------------------------------------------------

    def all(self) -> list[AbTest]:
        """Newest first."""
        return sorted(self._tests.values(), key=lambda test: -test.started_unix_s)

    def get(self, test_id: str) -> AbTest:
        """Raises `NotFound`."""
        if test_id not in self._tests:
            raise NotFound(f"no A/B test {test_id!r:.140}: list them with GET /v1/ab or `ricity ab list`")
        return self._tests[test_id]

    def active(self, xapp: str) -> AbTest | None:
        """The test that has an xApp's split in its hands."""
        return next((test for test in self._tests.values() if test.spec.xapp == xapp and test.state.is_active), None)

    def trial_of(self, xapp: str) -> str:
        """Id of the test that has an xApp's split in its hands; empty: none."""
        active = self.active(xapp)
        return active.test_id if active is not None else ""

    async def start(self, spec: Spec) -> AbTest:
        """Splits the requests and begins to judge.

        Raises:
            UnknownKey: the xApp, or one of the versions, has no instance at the RIC.
            InvalidInput: the xApp takes no requests. TrialUnderway, RolloutUnderway: its split is in other hands.
            Conflict: a third version takes requests. RicUnreachable: nothing was started.
        """
        async with self._lock:
            self._check_free(spec.xapp)
            attached = await self._ric.attached()
            if spec.xapp not in attached.by_xapp:
                raise UnknownKey("xApp", spec.xapp, attached.by_xapp)
            _check_versions(spec, attached.of(spec.xapp))
            services = await self._ric.services(spec.xapp)
            if not services:
                raise InvalidInput(f"{spec.xapp} takes no requests: only versions that answer requests can be compared")
            before = await self._ric.outcomes(spec.xapp, 0)
            self._check_free(spec.xapp)  # a rollout may have begun while the RIC was asked
            test = AbTest(_new_id(), spec, Judge(services, spec.rules), time.time(), epoch=before.epoch, cursor=before.latest)
            for earlier in self._tests.values():
                if earlier.spec.xapp == spec.xapp and earlier.holds:
                    earlier.holds = False
                    self._folder.save(earlier)
            self._folder.save(test)
            self._tests[test.test_id] = test
            self._log.info("ab.started", **_facts(test))
            await self._tick_safely(test)
            self._show()
            return test

    async def stop(self, test_id: str) -> AbTest:
        """Ends a test that still runs, undecided, and rolls it back; one that has ended stays as it is. Raises `NotFound`."""
        test = self.get(test_id)
        async with self._lock:
            if test.state is State.RUNNING:
                self._decide(test, Verdict.UNDECIDED, "stopped by an operator")
                await self._tick_safely(test)
        return test

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            async with self._lock:
                for test in list(self._tests.values()):
                    if test.state.is_active or test.holds:
                        await self._tick_safely(test)
                self._show()

    # --- one look ------------------------------------------------------------------------------------------------------

    async def _tick_safely(self, test: AbTest) -> None:
        """A RIC, or whoever runs the instances, that is away is asked again at the next look."""
        try:
            await self._tick(test)
            self._failing = False
        except RicityError as error:
            if not self._failing:
                self._log.warning("ab.waits", test_id=test.test_id, code=error.code, error=str(error))
            self._failing = True

    async def _tick(self, test: AbTest) -> None:
        versions = (await self._ric.attached()).of(test.spec.xapp)
        if test.state in (State.RUNNING, *_ENDED) and self._operations.is_changing(test.spec.xapp):
            self._let_go(test, "a rollout of the xApp began")
        elif test.state is State.RUNNING:
            await self._watch(test, versions)
        if test.state in (State.PROMOTING, State.ROLLING_BACK):
            await self._carry_out(test, versions)
        elif test.state in _ENDED and test.holds:
            await self._set_weights(test, versions)

    async def _watch(self, test: AbTest, versions: Weights) -> None:
        if self._is_gone(test, test.spec.baseline, versions) and test.spec.candidate in versions:
            self._let_go(test, f"baseline {test.spec.baseline} has no instance any more; the candidate goes on alone")
        elif self._is_gone(test, test.spec.candidate, versions) and test.spec.baseline in versions:
            self._decide(test, Verdict.GUARD, f"guard presence: candidate {test.spec.candidate} has no instance any more")
        elif others := _third_versions(test.spec, versions):
            self._let_go(test, f"version {others[0]} takes requests, too")
        else:
            await self._set_weights(test, versions)
            await self._judge(test)

    async def _judge(self, test: AbTest) -> None:
        was_at, judged = test.cursor, test.judge.requests
        while (response := await self._ric.outcomes(test.spec.xapp, test.cursor)).windows or response.epoch != test.epoch:
            _read(test, response)
        counter("ricity_manager_judged_requests_total").labels(xapp=test.spec.xapp).inc(test.judge.requests - judged)
        if (found := test.judge.verdict()) is not None:
            self._decide(test, *found)
        elif time.time() - test.started_unix_s > test.spec.rules.max_duration_s:
            self._decide(test, Verdict.UNDECIDED, f"the evidence of {test.judge.requests} requests did not suffice in time")
        elif test.cursor != was_at:
            self._folder.save(test)

    async def _carry_out(self, test: AbTest, versions: Weights) -> None:
        weights = test.spec.weights(test.state)
        winner, loser = weights
        if winner not in versions and loser in versions:
            return  # nobody would be left to ask
        await self._set_weights(test, versions)
        await self._operations.settle(test.spec.xapp, winner=winner, loser=loser)
        test.state = State.PROMOTED if test.state is State.PROMOTING else State.ROLLED_BACK
        self._end(test)

    async def _set_weights(self, test: AbTest, versions: Weights) -> None:
        """The version that is to get requests first, so that there is always one that takes them."""
        weights = test.spec.weights(test.state)
        if test.state is not State.RUNNING and next(iter(weights)) not in versions:
            return
        for version, weight in weights.items():
            if versions.get(version, frozenset({weight})) != {weight}:
                await self._ric.set_weight(test.spec.xapp, version, weight)

    def _show(self) -> None:
        gauge("ricity_manager_active_tests").set(sum(test.state.is_active for test in self._tests.values()))

    # --- inside --------------------------------------------------------------------------------------------------------

    def _decide(self, test: AbTest, verdict: Verdict, reason: str) -> None:
        test.decide(verdict, reason)
        self._folder.save(test)
        self._log.info("ab.verdict", verdict=str(verdict), reason=reason, **_facts(test))

    def _let_go(self, test: AbTest, reason: str) -> None:
        """The split is in other hands from now on."""
        if test.state in _ENDED:
            test.holds = False
            self._folder.save(test)
        else:
            test.abandon(reason)
            self._end(test)

    def _end(self, test: AbTest) -> None:
        test.ended_unix_s = time.time()
        self._folder.save(test)
        self._folder.report(test)
        counter("ricity_manager_tests_total").labels(verdict=str(test.verdict), state=str(test.state)).inc()
        self._log.info("ab.ended", state=str(test.state), verdict=str(test.verdict), reason=test.reason, **_facts(test))

    def _is_gone(self, test: AbTest, version: str, versions: Mapping[str, Any]) -> bool:
        key = (test.test_id, version)
        if version in versions:
            self._missing_since_s.pop(key, None)
            return False
        return time.monotonic() - self._missing_since_s.setdefault(key, time.monotonic()) > GONE_S

    def _check_free(self, xapp: str) -> None:
        if (running := self.active(xapp)) is not None:
            raise TrialUnderway(f"A/B test {running.test_id} of {xapp} is {running.state}: stop it, or wait for its verdict")
        if self._operations.is_changing(xapp):
            raise RolloutUnderway(f"a rollout of {xapp} is under way: wait until it has ended, then start the test")


_ENDED = (State.PROMOTED, State.ROLLED_BACK)


def _read(test: AbTest, response: outcomes_pb2.ListOutcomesResponse) -> None:
    """Judges what is new; windows whose requests were not all split alike are left out."""
    if response.epoch != test.epoch:  # the RIC has started anew
        test.epoch, test.cursor = response.epoch, 0
        return
    for window in response.windows:
        test.missed += window.sequence - test.cursor - 1
        test.cursor = window.sequence
        if test.spec.xapp in window.unsettled_xapps:
            test.skipped += 1
        elif counts := window_counts(window, test.spec.xapp, test.spec.versions):
            test.judge.take(counts, unix_ms=window.ended_unix_ms)


def _check_versions(spec: Spec, versions: Weights) -> None:
    for version in spec.versions:
        if version not in versions:
            raise UnknownKey(f"version of {spec.xapp}", version, versions)
    if others := _third_versions(spec, versions):
        raise Conflict(
            f"version {others[0]} of {spec.xapp} takes requests, too: set its weight to 0 or stop it, then start the test"
        )


def _third_versions(spec: Spec, versions: Weights) -> list[str]:
    return [version for version in sorted(versions) if version not in spec.versions and any(versions[version])]


def _new_id() -> str:
    return f"ab-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _facts(test: AbTest) -> dict[str, Any]:
    return {
        "test_id": test.test_id,
        "xapp": test.spec.xapp,
        "baseline": test.spec.baseline,
        "candidate": test.spec.candidate,
        "requests": test.judge.requests,
    }
