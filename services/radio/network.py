"""The radio network in lock step: one report to every dApp, one control back from each until the deadline, one frame."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.decoding import PROPORTIONAL_FAIR, Allocation
from ric_sim.radio.policies import BEST_SPLIT, make_slicing_policy
from ric_sim.radio.shield import Shield, ShieldLimits
from ric_sim.radio.world import World
from ricity.radio.v1 import radio_pb2
from services.radio.codec import Applied, Wish, outcome_of, wish_of
from services.radio.dapps import MISSES_BEFORE_UNWAITED, Dapps
from services.radio.metrics import RadioMetrics
from services.radio.record import SlicingRecord
from services.radio.session import Session
from services.radio.settings import RadioSettings

_LOGGED_REFUSALS = 100
_FOLLOWED = (radio_pb2.CONTROL_RESULT_APPLIED, radio_pb2.CONTROL_RESULT_SHIELDED)


class RadioNetwork:
    """One world, a heuristic's world beside it, and the dApps that are attached.

    An O-DU without a control that can be played is given a fixed split which satisfies most frames (`BEST_SPLIT`).

    Attributes:
        epoch: drawn at the start; frames count within it.
        dapps: who decides for which O-DU, and who stands by.
        record: what has happened.
        rb_kbps: rated DL throughput of one RB: the scheduler's estimate at the start, mean over the UEs it has one of.
        outcomes: of the last frame, by O-DU; None before the first.
    """

    def __init__(self, settings: RadioSettings, *, log: Any) -> None:
        config = RadioConfig(n_dus=settings.dus, n_ues=settings.ues)
        self.world = World(config, n_replicas=1, observation=settings.observation)
        self._rule_world = World(config, n_replicas=1, observation=settings.observation)
        for world in (self.world, self._rule_world):
            for du in range(config.n_dus - settings.later_dus, config.n_dus):
                world.set_on_air(du, on_air=False)
            world.reset(settings.radio_seed, settings.radio_profile)
        rates_bps = self.world.state.mean_estimate_bps
        self.rb_kbps = max(1, round(float(rates_bps[rates_bps > 0.0].mean()) / 1000))
        self._rule = make_slicing_policy(settings.rule)
        self.epoch = uuid.uuid4().int >> 64
        self.record = SlicingRecord(self.world.n_dus, rule=settings.rule)
        self._settings, self._log = settings, log
        self._metrics = RadioMetrics(self.world.n_dus)
        self.dapps = Dapps(self.world.n_dus, self._metrics, log=log)
        self.outcomes: list[radio_pb2.FrameOutcome | None] = [None] * self.world.n_dus
        self._answered, self._attached = asyncio.Event(), asyncio.Event()
        shares = np.asarray(BEST_SPLIT) / np.sum(BEST_SPLIT)
        safe = np.floor(shares * config.n_rbs).astype(np.int64)
        self._safe = Wish(safe, np.full(2, PROPORTIONAL_FAIR), 0.0)
        self._n_refused = 0
        limits = ShieldLimits(
            config.n_rbs,
            urllc_minimum_rbs=settings.shield_urllc_rbs,
            most_change_rbs=round(settings.shield_change_ratio * config.n_rbs),
        )
        self.shields = [Shield(limits) for _ in range(config.n_dus)]

    # --- dApps -------------------------------------------------------------------------------------------------------

    def attach(self, session: Session) -> None:
        """The dApp decides from the next frame on, or stands by where another one does.

        An O-DU that was off the air serves UEs from then on, and goes on when its dApp has gone.
        """
        self.dapps.attach(session)
        for world in (self.world, self._rule_world):
            world.set_on_air(session.du, on_air=True)
        self._count_attached()

    def detach(self, session: Session) -> None:
        """The O-DU that it decided for is another one's with the next frame, or on the safe split if it has no other."""
        if self.dapps.detach(session):
            self._count_attached()
            self._check_answered()

    def take(self, session: Session, control: radio_pb2.Control) -> None:
        """A control from a dApp; one of another frame is counted and changes nothing, nor does that of one standing by."""
        seconds = time.perf_counter() - session.asked_s
        is_expected = session.asked and (control.epoch, control.frame) == (self.epoch, session.asked_frame)
        if self.dapps.deciding(session.du) is not session:
            self._prove(session, control, in_time=is_expected and seconds * 1000 <= self._settings.deadline_ms)
            return
        if not is_expected:
            self._count(session.du, "late")
            session.misses = 0
            return
        session.misses = 0
        session.control = control
        session.asked = False
        self._metrics.answer_seconds.observe(seconds)
        self.record.answered(seconds)
        self._check_answered()

    @property
    def instances(self) -> dict[int, str]:
        """O-DU -> the dApp that decides for it."""
        return {session.du: session.instance_id for session in self.dapps.all_deciding()}

    def _prove(self, session: Session, control: radio_pb2.Control, *, in_time: bool) -> None:
        """What one that stands by would have done: never applied, but it shows whether the O-DU could be its own."""
        session.asked, session.misses = False, 0
        try:
            wish_of(control, self.world.config.n_rbs)
        except OutOfRange as error:
            if session.proofs >= 0:
                self._log.warning("dapp.unfit", du=session.du, instance=session.instance_id, error=str(error))
            session.proofs = -1
        else:
            session.proofs = max(session.proofs, 0) + 1 if in_time else 0

    def _count_attached(self) -> None:
        n_deciding = len(self.dapps.all_deciding())
        self._metrics.attached.set(sum(len(self.dapps.attached(du)) for du in range(self.world.n_dus)))
        if n_deciding == self.world.on_air.sum():
            self._attached.set()

    def _check_answered(self) -> None:
        deciding = self.dapps.all_deciding()
        if not any(session.asked and session.misses < MISSES_BEFORE_UNWAITED for session in deciding):
            self._answered.set()

    # --- frames ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Plays frames until cancelled, as fast as told; the first one waits a while for all dApps."""
        try:
            async with asyncio.timeout(self._settings.wait_for_dapps_s):
                await self._attached.wait()
        except TimeoutError:
            self._log.warning("radio.begins_incomplete", attached=len(self.dapps.all_deciding()), dus=self.world.n_dus)
        self.record.began_s = due_s = time.monotonic()
        while True:
            await self.play_frame()
            due_s = max(due_s + 1.0 / self._settings.frames_per_s, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def play_frame(self) -> None:
        """One frame: reports out, controls in or the deadline, the world's step."""
        self._ask()
        try:
            async with asyncio.timeout(self._settings.deadline_ms / 1000):  # wait_for could swallow a cancellation
                await self._answered.wait()
        except TimeoutError:
            self._log.debug("radio.deadline_passed", frame=self.world.frame)
        frame = self.world.frame
        on_air = self.world.on_air
        needs = self.world.need_rbs[0].tolist()
        decided = [self._shielded(du, needs[du]) for du in range(self.world.n_dus)]
        wishes = [wish for wish, _ in decided]
        played = self.world.apply(_allocation(wishes))
        ruled = self._rule_world.apply(self._rule.allocate(self._rule_world))
        fallback = np.array([applied.result not in _FOLLOWED for _, applied in decided])
        self.outcomes = [
            outcome_of(played, du, frame=frame, applied=applied, beta=wish.beta) for du, (wish, applied) in enumerate(decided)
        ]
        self.record.add(played, ruled, fallback, on_air)
        self._metrics.played(played, ruled, self.record.policy_age_s, on_air)

    def _ask(self) -> None:
        observations, needs = self.world.observe()[0], self.world.need_rbs[0]
        self._answered.clear()
        for du in np.flatnonzero(self.world.on_air).tolist():
            self.dapps.hand_over(du)
            deciding = self.dapps.deciding(du)
            for session in self.dapps.attached(du):
                report = radio_pb2.Report(
                    epoch=self.epoch,
                    frame=self.world.frame,
                    observation=observations[du].tolist(),
                    need_rbs=needs[du].tolist(),
                    outcome=self.outcomes[du],
                    standby=session is not deciding,
                )
                session.ask(report)
        self._check_answered()

    def _shielded(self, du: int, need_rbs: list[float]) -> tuple[Wish, Applied]:
        """What the O-DU does in this frame: what was decided, or the nearest that keeps its hard limits."""
        wish, applied = self._decided(du)
        if applied.result == radio_pb2.CONTROL_RESULT_UNSPECIFIED:
            return wish, applied
        safe_rbs, broken = self.shields[du].guard(wish.quota_rbs.tolist(), need_rbs)
        if broken is not None:
            self.record.interventions[broken][du] += 1
            self._metrics.interventions[du][broken].inc()
            wish = replace(wish, quota_rbs=np.array(safe_rbs, dtype=np.int64))
        if applied.result == radio_pb2.CONTROL_RESULT_APPLIED:
            if broken is not None:
                applied = Applied(radio_pb2.CONTROL_RESULT_SHIELDED, f"{broken}: the nearest safe quotas were applied")
            self._count(du, "applied" if broken is None else "shielded")
        return wish, applied

    def _decided(self, du: int) -> tuple[Wish, Applied]:
        """What the O-DU is to do in this frame."""
        if not self.world.on_air[du]:
            return self._safe, Applied(radio_pb2.CONTROL_RESULT_UNSPECIFIED)
        session = self.dapps.deciding(du)
        control = session.control if session else None
        if session is not None:
            session.misses += session.asked
            was_asked, session.control, session.asked = session.asked, None, False
        if session is None or control is None:
            self._settle(du, session if session and was_asked else None, "missing")
            return self._safe, Applied(radio_pb2.CONTROL_RESULT_MISSING)
        try:
            wish = wish_of(control, self.world.config.n_rbs)
        except OutOfRange as error:
            self._settle(du, session, "refused")
            if self._n_refused % _LOGGED_REFUSALS == 0:
                self._log.warning("control.refused", du=du, error=str(error), refused=self._n_refused + 1)
            self._n_refused += 1
            return self._safe, Applied(radio_pb2.CONTROL_RESULT_REFUSED, str(error))
        session.counts["applied"] += 1
        session.proofs = max(session.proofs, 0) + 1
        self.record.decided_with(du, control.policy_version)
        return wish, Applied(radio_pb2.CONTROL_RESULT_APPLIED)

    def _settle(self, du: int, session: Session | None, result: str) -> None:
        """A frame without a control that can be played."""
        self._count(du, result)
        if session is not None:
            session.counts[result] += 1
            session.proofs = 0

    def _count(self, du: int, result: str) -> None:
        self.record.controls[result][du] += 1
        self._metrics.controls[du][result].inc()


def _allocation(wishes: list[Wish]) -> Allocation:
    """One world's allocation, O-DU by O-DU."""
    return Allocation(
        quota_rbs=np.stack([wish.quota_rbs for wish in wishes])[None],
        beta=np.stack([wish.beta for wish in wishes])[None],
        over_ratio=np.array([[wish.over_ratio for wish in wishes]]),
    )
