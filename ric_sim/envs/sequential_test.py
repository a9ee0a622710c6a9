"""Is one policy better than another? A test on paired differences that may be looked at after every block of requests.

Both policies play the same requests. Of block b only D_b is kept, requests accepted by the candidate less those accepted by
production, and how many requests n_b it had. Whether the gain per request is m is judged by the mixture

    E(m) = exp(S^2 / (2 (1/T + V))) / sqrt(1 + T V),   S = sum x_b,   V = sum x_b^2,   x_b = (D_b - m n_b) / c_b,

x_b cut at +-3, with c_b the root mean square of the differences before block b. If every x_b is symmetric about zero given
the blocks before it, exp(s S - s^2 V / 2) is a supermartingale for every s (de la Pena 1999, "A general class of exponential
inequalities for martingales and ratios", Lemma 6.1), so is its mean over s ~ N(0, T), which is E(m), and by Ville's
inequality E(m) ever reaches 1 / alpha with probability at most alpha. Two policies of the same quality that meet the same
requests give symmetric differences; that refusals come in bursts is why blocks are compared and not requests. The gains
that are not refused at the end form a confidence interval of any-time coverage 1 - alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange

_BISECTIONS = 40
_MOST_SCALES = 3.0
_MIXTURE_VARIANCE = 0.3
"""T. From 0.1 to 0.5 the number of blocks to a verdict hardly depends on it."""


@dataclass
class PairedTest:
    """Grows by one block at a time.

    Attributes:
        alpha: error rate, of both sides together, over all looks.
        differences, requests: D_b and n_b of the blocks so far.
    """

    alpha: float = 0.05
    differences: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise OutOfRange(f"alpha {self.alpha}: expected a probability between 0 and 1")

    def add(self, difference: int, requests: int) -> None:
        """Takes in a block.

        Raises:
            OutOfRange: a difference greater than the number of requests.
        """
        if abs(difference) > requests:
            raise OutOfRange(f"difference {difference} of {requests} requests: expected at most as many")
        self.differences.append(difference)
        self.requests.append(requests)

    @property
    def gain(self) -> float:
        """Candidate's share of accepted requests less production's; 0 before the first request."""
        total = sum(self.requests)
        return sum(self.differences) / total if total else 0.0

    def log_evidence(self, gain: float = 0.0) -> float:
        """log E(`gain`): evidence that the true gain is another one."""
        x = self._scaled(gain)
        inflated = 1 + _MIXTURE_VARIANCE * float(x @ x)
        return _MIXTURE_VARIANCE * float(x.sum()) ** 2 / (2 * inflated) - 0.5 * math.log(inflated)

    def excludes(self, gain: float = 0.0) -> bool:
        """The true gain is another one, at the error rate."""
        return self.log_evidence(gain) >= -math.log(self.alpha)

    def is_above(self, gain: float) -> bool:
        """The true gain is more than that."""
        return self._scaled(gain).sum() > 0 and self.excludes(gain)

    def is_below(self, gain: float) -> bool:
        """The true gain is less than that."""
        return self._scaled(gain).sum() < 0 and self.excludes(gain)

    def interval(self) -> tuple[float, float]:
        """Gains that are not excluded, -1 to 1."""
        centre = _bisected(-1.0, 1.0, lambda gain: self._scaled(gain).sum() > 0)
        return self._bound(centre, -1.0), self._bound(centre, 1.0)

    def _bound(self, centre: float, end: float) -> float:
        return _bisected(centre, end, lambda gain: not self.excludes(gain)) if self.excludes(end) else end

    def _scaled(self, gain: float) -> npt.NDArray[np.float64]:
        """x_b, [blocks]."""
        differences, requests = np.array([self.differences, self.requests], dtype=float)
        squares_before = 1 + np.concatenate([[0.0], np.cumsum(differences**2)])[: len(differences)]
        scale = np.sqrt(squares_before / np.arange(1, len(differences) + 1))
        return np.clip((differences - gain * requests) / scale, -_MOST_SCALES, _MOST_SCALES)


def _bisected(inside: float, outside: float, holds: Callable[[float], bool]) -> float:
    """The last number from `inside` towards `outside` for which something holds."""
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
