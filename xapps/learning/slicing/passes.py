"""What the two passes of a sharpness-aware step have in common, made once per update."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from xapps.learning.slicing.stacked import Views


@dataclass(frozen=True)
class CriticPass:
    """What both passes over the critic share: inputs [C, M b, o + d + M], targets [M b], dropout masks."""

    inputs: Tensor
    targets: Tensor
    masks: list[Tensor] | None


@dataclass(frozen=True)
class ActorPass:
    """What both passes over m actors share.

    Attributes:
        observation: [m, b, o]. noise: [m, b, d]. temperature: [m, 1].
        critics: the critics as networks of the action alone: the bias of their first layer, [C, m b, width], is what they make
            of observation and agent.
        former: outputs [m, b, 2 d] of the slow copies; none without a penalty on change.
    """

    observation: Tensor
    noise: Tensor
    temperature: Tensor
    critics: Views
    former: Tensor | None

    def of(self, rows: Tensor) -> ActorPass:
        """The same of some of the actors."""
        weight, bias, *rest = self.critics
        n_critics, _, width = bias.shape
        by_agent = bias.view(n_critics, len(self.noise), -1).index_select(1, rows)
        return ActorPass(
            self.observation.index_select(0, rows),
            self.noise.index_select(0, rows),
            self.temperature.index_select(0, rows),
            (weight, by_agent.view(n_critics, -1, width), *rest),
            None if self.former is None else self.former.index_select(0, rows),
        )
