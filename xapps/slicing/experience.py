"""From decisions and outcomes to batches of transitions, bounded, kept until the critic has them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ricity.learning.v1 import learning_pb2
from ricity.radio.v1 import radio_pb2
from xapps.slicing.agent import Decision
from xapps.slicing.metrics import SlicingMetrics

SingleArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Open:
    """A decision whose outcome is not known yet."""

    epoch: int
    frame: int
    version: int
    observation: SingleArray
    action: SingleArray


class ExperienceBuffer:
    """Pairs each decision with the next report, and holds what came of it in batches until they are acknowledged.

    The oldest batches give way when there are too many: what the critic misses longest is of the least use to it.
    """

    def __init__(self, agent: str, *, batch_transitions: int, most_batches: int, metrics: SlicingMetrics) -> None:
        self._agent, self._most_batches, self._metrics = agent, most_batches, metrics
        self.batch_transitions = batch_transitions
        self._open: _Open | None = None
        self._rows: list[SingleArray] = []
        self._version = 0
        self._sequence = 0
        self._batches: OrderedDict[int, learning_pb2.ExperienceBatch] = OrderedDict()
        self._next_unsent = 1

    def __len__(self) -> int:
        """Batches that are not acknowledged."""
        return len(self._batches)

    def decided(self, report: radio_pb2.Report, decision: Decision) -> bool:
        """Takes a report and what was decided on it; True if a batch became complete.

        A transition needs two reports in a row and its control applied: anything else is a gap, counted.
        """
        before, self._open = self._open, None
        complete = before is not None and self._close(before, report)
        if decision.observation is not None and decision.action is not None:
            version = decision.control.policy_version
            self._open = _Open(report.epoch, report.frame, version, decision.observation, decision.action)
        return complete

    def _close(self, before: _Open, report: radio_pb2.Report) -> bool:
        outcome, following = report.outcome, np.array(report.observation, dtype=np.float32)
        follows = (report.epoch, report.frame) == (before.epoch, before.frame + 1)
        applied = outcome.frame == before.frame and outcome.control_result == radio_pb2.CONTROL_RESULT_APPLIED
        sound = len(following) == len(before.observation) and bool(np.isfinite(following).all()) and np.isfinite(outcome.reward)
        if not (follows and applied and sound):
            self._metrics.experience["gap"].inc()
            return False
        was_complete = before.version != self._version and bool(self._rows)
        if was_complete:
            self._finish(before)
        self._version = before.version
        self._rows.append(
            np.concatenate((before.observation, before.action, [np.float32(outcome.reward)], following), dtype=np.float32)
        )
        self._metrics.experience["kept"].inc()
        if len(self._rows) >= self.batch_transitions:
            self._finish(before)
            return True
        return was_complete

    def _finish(self, shaped: _Open) -> None:
        self._sequence += 1
        self._batches[self._sequence] = learning_pb2.ExperienceBatch(
            agent=self._agent,
            sequence=self._sequence,
            policy_version=self._version,
            transitions=len(self._rows),
            observation_dim=len(shaped.observation),
            action_dim=len(shaped.action),
            rows=np.stack(self._rows).astype("<f4").tobytes(),
        )
        self._rows = []
        if len(self._batches) > self._most_batches:
            _, lost = self._batches.popitem(last=False)
            self._metrics.experience["dropped"].inc(lost.transitions)

    def unsent(self) -> list[learning_pb2.ExperienceBatch]:
        """Batches that were not handed out since `resend`, oldest first."""
        due = [batch for sequence, batch in self._batches.items() if sequence >= self._next_unsent]
        self._next_unsent = self._sequence + 1
        self._metrics.experience["sent"].inc(sum(batch.transitions for batch in due))
        return due

    def resend(self) -> None:
        """Everything that is not acknowledged is due again: the stream it was sent on has ended."""
        self._next_unsent = 1

    def settle(self, result: learning_pb2.ExperienceResult) -> None:
        """The critic has taken or refused a batch; either way it is done with. A repetition was taken before."""
        batch = self._batches.pop(result.sequence, None)
        if batch is not None:
            taken = result.refusal in (learning_pb2.REFUSAL_UNSPECIFIED, learning_pb2.REFUSAL_DUPLICATE)
            self._metrics.experience["acknowledged" if taken else "refused"].inc(batch.transitions)
