"""`ricity loop --live`: a candidate model beside production on the running RIC, judged by the manager's A/B test.

Every step finds what an interrupted command has left: the registry's stage says that a trial is under way, the manager which.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import InvalidInput, RicityError
from services.cli.ab_command import follow_test
from services.cli.manager_rest import ask_manager
from services.cli.output import error_console
from services.cli.xapp_manager import POLL_S, until_ready, xapp_entry, xapp_path
from services.registry.model import ModelName, ModelVersion, Stage
from services.registry.registry import Registry

_TESTS = "/v1/ab"
_FINAL = ("worse", "guard")
_WEIGHTS, _POLICY = "RICITY_WEIGHTS", "RICITY_POLICY"


@dataclass(frozen=True, slots=True)
class LiveRules:
    """`percent`: share of the requests for the candidate. `alpha`, `max_requests`: as of `ricity ab start`; None, its default."""

    percent: float
    alpha: float
    max_requests: int | None

    def to_json(self) -> dict[str, float]:
        """For the manager."""
        limits = {} if self.max_requests is None else {"max_requests": self.max_requests}
        return {"candidate_percent": self.percent, "alpha": self.alpha, **limits}


class LiveTrial:
    """One version of a one-agent model on trial at the xApp of its service."""

    def __init__(self, registry: Registry, name: str, version: ModelVersion, manager: str) -> None:
        """Raises `InvalidInput`: the xApp is not deployed by the manager, or its configuration overrides weights."""
        self._registry, self._name, self._version, self._manager = registry, ModelName.parse(name), version, manager
        self.xapp = f"routing-{self._name.agent}"
        self.baseline = self._serving()
        self.candidate = f"{_core(self.baseline)}-{self._name.variant}.{version.version}"

    def run(self, rules: LiveRules) -> dict[str, Any]:
        """The test's report with `stage` of the model and `serves`, the xApp's version, once everything is carried out.

        Ctrl-C ends the test undecided: the baseline serves, the candidate stops and is staged. After an error of the manager
        on the way, or a kill, the version stays `canary`, and the same call goes on.

        Raises:
            KeyboardInterrupt: after it has been taken back.
            StageRefused: the version has been judged before. RicityError: of the manager.
        """
        try:
            test = self._former() or self._start(rules)
            report = follow_test(self._manager, test["id"])
        except KeyboardInterrupt:
            self._take_back()
            raise
        return self._settled(report)

    def _former(self) -> dict[str, Any] | None:
        """The test that an interrupted command has left and that has still to be carried out in the registry."""
        if self._stage is not Stage.CANARY:
            return None
        test = self._newest_test()
        if test and (test["ended_at"] is None or test["state"] == "promoted" or test["verdict"] in _FINAL):
            self._tell(f"goes on with {test['id']}")
            return test
        return None

    def _start(self, rules: LiveRules) -> dict[str, Any]:
        self._registry.promote(self._name.text, self._version.version, Stage.CANARY)
        self._tell(f"canary; starting {self.xapp} {self.candidate} beside {self.baseline}")
        try:
            ask_manager(self._manager, "POST", "/v1/xapps", json=self._descriptor())
            self._stand_by(replicas=1)
            until_ready(self._manager, self.xapp, self.candidate, 1)
            asked = {"xapp": self.xapp, "baseline": self.baseline, "candidate": self.candidate, **rules.to_json()}
            return dict(ask_manager(self._manager, "POST", _TESTS, json=asked).json())
        except RicityError:
            self._take_back()
            raise

    def _descriptor(self) -> dict[str, Any]:
        """The baseline's, of this service only, with the candidate's own weights, whatever is promoted meanwhile."""
        document = self._document()
        weights = self._registry.view(self._name.text, self._version.version).absolute()
        env = {**document.get("env", {}), _POLICY: self._name.variant, _WEIGHTS: str(weights)}
        return {**document, "services": [self._name.agent], "version": self.candidate, "env": env}

    def _settled(self, report: dict[str, Any]) -> dict[str, Any]:
        """Carries the verdict out in the registry, and lets xApps that follow production serve again."""
        serves = self.candidate if report["state"] == "promoted" else self.baseline
        stage = _stage_after(report)
        self._registry.promote(self._name.text, self._version.version, stage)
        self._tell(f"{report['verdict']}: now {stage}")
        if stage is Stage.PRODUCTION:
            serves = self._back_to_follower(report["baseline"])
        return {**report, "stage": str(stage), "serves": serves}

    def _back_to_follower(self, former: str) -> str:
        """A version whose weights are production's has the new ones now, and takes over again; which version serves."""
        followed = self._document(former).get("env", {}).get(_WEIGHTS, "")
        if os.path.abspath(followed) != str(self._registry.serving(self._name.text).absolute()):
            return self.candidate
        self._tell(f"{self.xapp} {former} follows production and takes over")
        rollout = ask_manager(self._manager, "POST", xapp_path(self.xapp, "upgrade"), json={"to": former}).json()
        while rollout["state"] == "running":
            time.sleep(POLL_S)
            rollout = ask_manager(self._manager, "GET", f"/v1/rollouts/{rollout['id']}").json()
        return former if rollout["state"] == "succeeded" else self.candidate

    def _take_back(self) -> None:
        """Ends what was begun; a verdict that came first is carried out."""
        test = self._newest_test()
        if test and test["ended_at"] is None:
            ask_manager(self._manager, "POST", f"{_TESTS}/{test['id']}/stop")
            self._settled(follow_test(self._manager, test["id"]))
        elif former := self._former():
            self._settled(former)
        elif self._stage is Stage.CANARY:
            self._registry.promote(self._name.text, self._version.version, Stage.STAGED)
            self._tell("taken back: staged")
            if self.candidate in xapp_entry(self._manager, self.xapp)["desired"]["standby"]:
                self._stand_by(replicas=0)

    def _stand_by(self, *, replicas: int) -> None:
        body = {"version": self.candidate, "replicas": replicas, "standby": True}
        ask_manager(self._manager, "POST", xapp_path(self.xapp, "deploy"), json=body)

    def _newest_test(self) -> dict[str, Any] | None:
        tests = ask_manager(self._manager, "GET", _TESTS).json()["tests"]
        return next((test for test in tests if (test["xapp"], test["candidate"]) == (self.xapp, self.candidate)), None)

    def _document(self, version: str = "") -> dict[str, Any]:
        return dict(ask_manager(self._manager, "GET", xapp_path(self.xapp, "versions", version or self.baseline)).json())

    def _serving(self) -> str:
        desired = xapp_entry(self._manager, self.xapp)["desired"]
        if not desired or not desired["replicas"]:
            raise InvalidInput(f"the manager runs no {self.xapp}: `ricity xapp deploy {self.xapp}` first")
        if fixed := [key for key in (_WEIGHTS, _POLICY) if key in desired["config"]]:
            raise InvalidInput(
                f"the configuration of {self.xapp} sets {', '.join(fixed)} for every version: leave it to the descriptors "
                f"(`ricity xapp onboard --env`), then replace it with `ricity xapp config {self.xapp}`"
            )
        return str(desired["version"])

    @property
    def _stage(self) -> Stage:
        return self._registry.model(self._name.text).version(self._version.version).stage

    def _tell(self, text: str) -> None:
        error_console.print(f"{self._name.text} {self._version.version}: {text}", markup=False, highlight=False)


def keep_figure(manager: str, report: dict[str, Any], folder: Path) -> None:
    """Keeps the manager's figure beside the report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evidence.svg").write_bytes(ask_manager(manager, "GET", f"{_TESTS}/{report['id']}/evidence.svg").content)


def _stage_after(report: dict[str, Any]) -> Stage:
    if report["state"] == "promoted":
        return Stage.PRODUCTION
    return Stage.RETIRED if report["verdict"] in _FINAL else Stage.STAGED


def _core(version: str) -> str:
    """1.2.3 of 1.2.3-amarl.4."""
    return version.partition("-")[0].partition("+")[0]
