"""One run: start the deployment, play the day on it, find out what happened, stop everything."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from ric_sim.domain.errors import InvalidInput, NotFound, UnknownKey
from ric_sim.domain.reservation import Change
from ric_sim.network.policies import POLICIES
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import DAY_MS, Day, selection
from ric_sim.store.access import StoreAccess
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore
from services.cli.local.child import ChildState
from services.cli.local.deployment import (
    NODES,
    PLANNERS,
    RIC,
    STORE,
    Deployment,
    free_port,
    planners_process,
    store_process,
)
from services.cli.local.examine import examine_store
from services.cli.local.folder import RunFolder, read_json, write_json
from services.cli.local.identity import identity, weight_digests
from services.cli.local.memory import MemoryPeak
from services.cli.local.options import EMBEDDED, RunOptions
from services.cli.local.slicing import check_slicing_weights, slicing_summary
from services.cli.local.supervisor import Supervisor
from services.cli.local.watcher import Watcher
from services.cli.report.ledger import DayLedger, read_ledger
from services.cli.report.summary import PlayedDay, RunFacts, compose
from services.cli.report.utilisation import utilisation_over_day

NAMESPACE = "city"
_SLOW_PLANNERS_S = 3.0
_DRAIN_GRACE_S = 15.0


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run left behind. `day` is as long as the ledger."""

    summary: dict[str, Any]
    scenario: Scenario
    day: Day
    ledger: DayLedger
    changes: list[Change]
    folder: RunFolder

    def draw(self) -> list[str]:
        """Writes the plots; returns their names."""
        from services.cli.report.plots import RunPlots

        arrival_ms = self.day.arrival_ms[self.ledger.raised]
        start_ms, end_ms = int(arrival_ms.min(initial=DAY_MS)), int(arrival_ms.max(initial=0))
        utilisation = utilisation_over_day(self.scenario.city, self.changes, start_ms=start_ms, end_ms=end_ms + 1)
        title = f"{self.summary['profile']} profile, {self.summary['day']} day, policy {self.summary['policy']}"
        plots = RunPlots(self.scenario.city.services, self.day, self.ledger, title)
        drawn = plots.draw_all(self.folder.plots, utilisation)
        if self.summary.get("slicing"):
            from services.cli.report.slicing_plot import draw_slicing

            drawn.append(draw_slicing(self.folder.plots / "slicing.png", read_json(self.folder.slicing) or {}))
        return [path.name for path in drawn]


class LocalRun:
    """A deployment for one day. `play` once; `keep` afterwards if it is to stay; `close` in any case."""

    def __init__(self, options: RunOptions, watcher: Watcher) -> None:
        """Checks the options and loads city and day; nothing is started or written yet.

        Raises:
            InvalidInput: an option, a name or a file is unusable.
        """
        options.validate()
        if options.policy not in POLICIES:
            raise UnknownKey("policy", options.policy, POLICIES)
        if options.weights is not None and not POLICIES[options.policy].algorithm:
            raise InvalidInput(f"--weights {options.weights}: policy {options.policy} has none; take a learned one, e.g. learned")
        self._options = options
        self._watcher = watcher
        self._scenario = load_scenario(
            profile=options.profile, day=options.day, seed=options.seed, city_file=options.city, flow_file=options.flows
        )
        self._weights = weight_digests(options, self._scenario.city)
        if options.slicing:
            check_slicing_weights(options.slicing_weights)
        self._folder = RunFolder(options.out)
        self._memory = MemoryPeak()
        self._stack = ExitStack()
        self._supervisor = Supervisor(self._folder.logs, self._folder.pids, tell=watcher.tell)
        self._deployment: Deployment
        self._began_unix_s = 0.0

    @property
    def ric(self) -> str:
        """Address of the RIC, once started."""
        return self._deployment.ric

    def play(self) -> RunResult:
        """Starts everything, plays the day, examines what it left. Ctrl-C ends the day early; the rest is as usual.

        Raises:
            DeploymentFailed, StoreUnreachable, RicUnreachable: a process did not start or kept dying.
            KeyboardInterrupt: Ctrl-C before the day began.
        """
        self._began_unix_s = time.time()
        with stop_signals():
            self._start()
            interrupted = self._follow_day()
            killed = [] if self._options.keep else self._stop_services()
            return self._examine(interrupted=interrupted, killed=killed)

    def keep(self) -> None:
        """Goes on supervising until Ctrl-C."""
        with stop_signals():
            try:
                self._supervisor.wait(lambda: False)
            except KeyboardInterrupt:
                self._watcher.tell("stopping")

    def close(self) -> None:
        """Stops whatever still runs; harmless when nothing does."""
        try:
            self._stop_services()
            self._supervisor.stop(list(self._supervisor.children))
        finally:
            self._stack.close()

    # --- the start -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        options = self._options
        self._folder.create()
        store_url, namespace = self._open_store()
        ric_port = free_port(options.ric_port)
        self._deployment = Deployment(options, self._folder, store_url=store_url, namespace=namespace, ric_port=ric_port)
        write_json(self._folder.deployment, self._description())
        services = [spec.key for spec in self._scenario.city.services]
        self._supervisor.start(self._deployment.ric_process(), planners_process())
        self._supervisor.wait_ready(RIC, each=self._watch)
        self._wait_for_planners()
        self._supervisor.start(*self._deployment.xapp_processes(services), self._deployment.nodes_process())
        self._supervisor.wait_ready(*self._supervisor.children, each=self._watch)
        if options.slicing:  # after the routing half is up, and not waited for: the day does not depend on it
            self._supervisor.start(*self._deployment.slicing_processes())

    def _open_store(self) -> tuple[str, str]:
        """URL and namespace of the store; starts the embedded one."""
        if self._options.store != EMBEDDED:
            namespace = re.sub(r"[^A-Za-z0-9._-]", "-", self._options.out.resolve().name)[-64:]
            _check_unused(self._access(self._options.store), namespace)
            return self._options.store, namespace
        server = EmbeddedServer(self._folder.store)
        self._stack.callback(server.close)
        self._supervisor.start(store_process(server))
        self._supervisor.wait_ready(STORE)
        return server.url, NAMESPACE

    def _access(self, url: str) -> StoreAccess:
        return StoreAccess(url, self._options.store_password_file)

    def _wait_for_planners(self) -> None:
        """A line says so when it takes long: only the first run on a machine compiles, later ones load."""
        planners = self._supervisor.children[PLANNERS]
        slow_at_s = time.monotonic() + _SLOW_PLANNERS_S
        self._supervisor.wait(lambda: planners.state == ChildState.DONE or time.monotonic() > slow_at_s, each=self._watch)
        if planners.state != ChildState.DONE:
            self._watcher.tell("compiling the planners (first run only)")
            self._supervisor.wait_ready(PLANNERS, each=self._watch)

    def _description(self) -> dict[str, Any]:
        """For people and for `ricity audit --run`: where the parts are and what was started."""
        deployment, options = self._deployment, self._options
        return {
            "ric": deployment.ric,
            "store": deployment.store_url,
            "namespace": deployment.namespace,
            "profile": options.profile,
            "day": options.day,
            "seed": options.seed,
            "city": str(options.city.resolve()) if options.city else None,
            "flows": str(options.flows.resolve()) if options.flows else None,
            "policy": options.policy,
        }

    # --- the day ---------------------------------------------------------------------------------------------------

    def _follow_day(self) -> bool:
        """Until the nodes are done; True if Ctrl-C ended the day early."""
        try:
            self._supervisor.wait(self._day_is_over, each=self._watch)
            return False
        except KeyboardInterrupt:
            self._watcher.tell("interrupted: draining")
            self._supervisor.stop([NODES], grace_s=_DRAIN_GRACE_S)
            return True

    def _day_is_over(self) -> bool:
        if self._options.keep:
            return self._folder.nodes_summary.exists()
        return self._supervisor.children[NODES].state == ChildState.DONE

    def _watch(self) -> None:
        self._memory.sample(self._supervisor.pids().values())
        self._watcher.show(read_json(self._folder.progress), self._supervisor.children.values())

    # --- the end ---------------------------------------------------------------------------------------------------

    def _stop_services(self) -> list[str]:
        """All but the store, which is still to be examined; the xApps first, so that they can hand in what they hold."""
        names = [name for name in self._supervisor.children if name not in (STORE, RIC)]
        killed = self._supervisor.stop(names, grace_s=_DRAIN_GRACE_S)
        return killed + self._supervisor.stop([RIC], grace_s=_DRAIN_GRACE_S)

    def _examine(self, *, interrupted: bool, killed: list[str]) -> RunResult:
        nodes = read_json(self._folder.nodes_summary)
        if nodes is None or nodes["began_unix_s"] is None:
            raise KeyboardInterrupt
        ledger = read_ledger(self._folder.ledger)
        scenario = self._scenario
        day = selection(scenario.day, scenario.day.name, np.arange(len(ledger.service)))
        with RedisStore(self._access(self._deployment.store_url), self._deployment.namespace) as store:
            findings, changes = examine_store(store, scenario.city, day, ledger)
        facts = self._facts(nodes["began_unix_s"], interrupted=interrupted, killed=killed)
        played = PlayedDay(scenario.city.services, ledger)
        summary = compose(nodes, played, findings, facts, identity(self._options, scenario, self._weights))
        if self._options.slicing:
            summary["slicing"] = slicing_summary(read_json(self._folder.slicing))
        write_json(self._folder.summary, summary)
        return RunResult(summary, scenario, day, ledger, changes, self._folder)

    def _facts(self, began_unix_s: float, *, interrupted: bool, killed: list[str]) -> RunFacts:
        return RunFacts(
            start_up_s=began_unix_s - self._began_unix_s,
            memory_mb_peak=self._memory.peak_mb,
            restarts=self._supervisor.restarts,
            killed_at_stop=killed,
            interrupted=interrupted,
        )


def _check_unused(access: StoreAccess, namespace: str) -> None:
    """`InvalidInput` if another run's data is there, `StoreUnreachable` if nothing answers."""
    with RedisStore(access, namespace, patience_s=2.0) as store:
        try:
            store.layout()
        except NotFound:
            return
    raise InvalidInput(f"the store holds namespace {namespace!r} already: name another folder with --out, it names the namespace")


@contextmanager
def stop_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP count as Ctrl-C inside."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
