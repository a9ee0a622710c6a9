"""The dApps that are attached to each O-DU: one decides, the others stand by and show that they could."""

from __future__ import annotations

from typing import Any

from services.radio.metrics import RadioMetrics
from services.radio.session import Session

MISSES_BEFORE_UNWAITED = 5
"""Frames in a row without its control after which a dApp is waited for no longer, and one that stands by takes over."""

PROOF_ANSWERS = 3
"""So many answers in a row, in time and such as can be played, before a dApp takes an O-DU over from another one."""

MOST_PER_DU = 4


class Dapps:
    """Who decides for which O-DU. It changes between two frames only (`hand_over`).

    An O-DU is decided by the dApp of the preferred version; without one, or while none of that version has proven that it
    answers, by the newest that has. One that does not answer gives way to any that does.

    Attributes:
        preferred: version by O-DU; empty: the newest dApp decides.
        handovers: by O-DU, since the start.
    """

    def __init__(self, n_dus: int, metrics: RadioMetrics, *, log: Any) -> None:
        self.preferred = [""] * n_dus
        self.handovers = [0] * n_dus
        self._attached: list[list[Session]] = [[] for _ in range(n_dus)]  # in order of attachment
        self._deciding: list[Session | None] = [None] * n_dus
        self._former = [""] * n_dus  # instance that decided last
        self._metrics, self._log = metrics, log

    def attach(self, session: Session) -> None:
        """The dApp stands by, or decides from the next frame on if the O-DU has no other. An instance is there once."""
        du, rows = session.du, self._attached[session.du]
        for former in [row for row in rows if row.instance_id == session.instance_id]:
            former.close()
            self.detach(former)
        rows.append(session)
        if self._deciding[du] is None and len(rows) == 1:
            self._deciding[du] = session
        self._log.info("dapp.attached", du=du, instance=session.instance_id, version=session.version)

    def detach(self, session: Session) -> bool:
        """It is gone; False if it was so before. One that stands by takes over with the next frame."""
        rows = self._attached[session.du]
        if session not in rows:
            return False
        rows.remove(session)
        if self._deciding[session.du] is session:
            self._deciding[session.du] = None
        self._log.warning("dapp.detached", du=session.du, instance=session.instance_id, version=session.version)
        return True

    def has_room(self, du: int, instance_id: str) -> bool:
        """Whether one more instance may attach."""
        return sum(row.instance_id != instance_id for row in self._attached[du]) < MOST_PER_DU

    def deciding(self, du: int) -> Session | None:
        """Whose control the O-DU plays; None if no dApp is attached."""
        return self._deciding[du]

    def all_deciding(self) -> list[Session]:
        """One per O-DU that has a dApp."""
        return [session for session in self._deciding if session is not None]

    def standing_by(self, du: int) -> list[Session]:
        """The other dApps of the O-DU."""
        return [row for row in self._attached[du] if row is not self._deciding[du]]

    def attached(self, du: int) -> list[Session]:
        """All of them, in order of their attachment."""
        return list(self._attached[du])

    def hand_over(self, du: int) -> None:
        """Gives the O-DU to the dApp that is to decide now; to be called between two frames."""
        rows = self._attached[du]
        if not rows:
            return
        before = self._deciding[du]
        order = {row: index for index, row in enumerate(rows)}
        best = max(rows, key=lambda row: (*self._fitness(row, before), order[row]))
        self._deciding[du] = best
        if self._former[du] == best.instance_id:
            return
        former, self._former[du] = self._former[du], best.instance_id
        if former:
            cause = (
                "gone" if before is None else "silent" if _is_silent(before) else "preferred" if self.preferred[du] else "newer"
            )
            self.handovers[du] += 1
            self._metrics.handovers[du][cause].inc()
            self._log.info("dapp.handover", du=du, cause=cause, former=former, instance=best.instance_id, version=best.version)

    def _cause(self, du: int, before: Session | None) -> str:
        """Why the former dApp decides no longer: one of `HANDOVER_CAUSES`."""
        if before is None:
            return "gone"
        if _is_silent(before):
            return "silent"
        return "preferred" if self.preferred[du] else "newer"

    def _fitness(self, row: Session, before: Session | None) -> tuple[bool, bool, bool]:
        proven = row.proofs >= PROOF_ANSWERS or row is before
        return not _is_silent(row), proven, bool(self.preferred[row.du]) and row.version == self.preferred[row.du]


def _is_silent(session: Session) -> bool:
    return session.misses >= MISSES_BEFORE_UNWAITED
