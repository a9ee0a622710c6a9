"""The decision of one O-DU: KPIs in, quotas out. Learned if there are weights, by rule if not, by a fixed split in the dark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import Conflict, OutOfRange, PolicyFailed
from ric_sim.radio.config import N_SLICES, SLICES
from ric_sim.radio.decoding import Allocation, decode
from ric_sim.radio.encoding import encode, varied
from ric_sim.radio.learned import ActorStack
from ric_sim.radio.policies import BEST_SPLIT, SLICING_POLICIES, URLLC_FIRST
from ric_sim.radio.policies.needs import in_order
from ricity.radio.v1 import radio_pb2
from xapps.slicing.metrics import SlicingMetrics

_RANKED = [SLICES.index(key) for key in URLLC_FIRST]
_RULE = SLICING_POLICIES["need-tuned"].defaults
EXPLORE_SIGMA = 0.25
_MARGINS, _RULE_BETA = np.asarray(_RULE["margins"]), float(_RULE["beta"])

SingleArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RadioFacts:
    """The network the O-DU is in; fields as in `RegisterResult`."""

    n_dus: int
    n_rbs: int
    observation: str
    observation_dim: int


@dataclass(frozen=True, slots=True)
class Policy:
    """An actor that decides, as it was activated: replaced as a whole, never changed; `sha256` of its weights."""

    actor: ActorStack
    version: int
    sha256: str = ""

    @property
    def decoding(self) -> str:
        return self.actor.spec.decoding


@dataclass(frozen=True, slots=True)
class Decision:
    """A control and, if an actor made it, what it saw and did: float32 [o] and [d]."""

    control: radio_pb2.Control
    observation: SingleArray | None = None
    action: SingleArray | None = None


class SlicingAgent:
    """Decides one report at a time.

    Attributes:
        facts: set when the network is entered.
        policy: None: decisions are made by the need rule.
        exploring: actions are drawn, not the likeliest ones.
        explore_sigma: largest spread of what is drawn, before the sigmoid.
        decoding: what a critic reads actions with; the rule's decisions are then told as such actions too. None: there is none.
    """

    def __init__(
        self, *, seed: int, metrics: SlicingMetrics, starting: Callable[[RadioFacts], Policy | None] = lambda _facts: None
    ) -> None:
        """`starting` makes the policy it begins with, once the network is known."""
        self.facts: RadioFacts | None = None
        self.policy: Policy | None = None
        self.exploring, self.explore_sigma = False, EXPLORE_SIGMA
        self.decoding: str | None = None
        self._rng = np.random.default_rng(seed)
        self._metrics, self._starting = metrics, starting

    def enter(self, facts: RadioFacts) -> None:
        """The network that reports come from.

        Raises:
            Conflict: another one than before; what was learnt does not fit it.
            WeightsMissing, WeightsCorrupt, WeightsMismatch: there is nothing to begin with, or nothing that fits it.
        """
        if self.facts not in (None, facts):
            raise Conflict(f"the network was {self.facts} and is now {facts}: start the dApp anew")
        if self.facts is None:
            self.policy = self._starting(facts)
        self.facts = facts

    def decide(self, report: radio_pb2.Report) -> Decision:
        """The control for a frame. KPIs that are missing or not finite are counted, and what is left of them decides."""
        if self.facts is None:
            raise Conflict("a report before the registration: `enter` a network first")
        policy, needs = self.policy, np.array(report.need_rbs, dtype=np.float64)
        observation = np.array(report.observation, dtype=np.float32)
        sound_needs = len(needs) == N_SLICES and bool(np.all((needs >= 0.0) & (needs < np.inf)))
        sound = sound_needs and len(observation) == self.facts.observation_dim and bool(np.isfinite(observation).all())
        if not sound:
            self._metrics.kpi_faults.inc()
        if sound and policy is not None:
            try:
                return self._by_actor(report, policy, observation, needs)
            except (PolicyFailed, OutOfRange):
                self._metrics.kpi_faults.inc()
        self._metrics.decisions["need_rule" if sound_needs else "fixed_split"].inc()
        if sound and self.decoding is not None:
            return self._by_varied_rule(report, self.decoding, observation, needs)
        return Decision(_control(report, self._by_need(needs) if sound_needs else self._fixed(), version=0))

    def _by_actor(
        self, report: radio_pb2.Report, policy: Policy, observation: SingleArray, needs: npt.NDArray[np.float64]
    ) -> Decision:
        row = observation[None, :]
        if self.exploring:
            action = policy.actor.sample(row, self._rng, most_sigma=self.explore_sigma)[0]
        else:
            action = policy.actor.greedy(row)[0]
        allocation = decode(policy.decoding, action, needs, self.facts.n_rbs if self.facts else 0)
        self._metrics.decisions["actor"].inc()
        return Decision(_control(report, allocation, version=policy.version), observation, action)

    def _by_varied_rule(
        self, report: radio_pb2.Report, decoding: str, observation: SingleArray, needs: npt.NDArray[np.float64]
    ) -> Decision:
        """What the rule decides, in a form that a critic learns from; varied a little while one does."""
        n_rbs = self.facts.n_rbs if self.facts else 0
        action = encode(decoding, self._by_need(needs), needs, n_rbs)
        if self.exploring:
            action = varied(action, self.explore_sigma, self._rng)
        told = action.astype(np.float32)
        return Decision(_control(report, decode(decoding, told, needs, n_rbs), version=0), observation, told)

    def _by_need(self, needs: npt.NDArray[np.float64]) -> Allocation:
        n_rbs = self.facts.n_rbs if self.facts else 0
        wanted = np.minimum(np.ceil(needs * _MARGINS), n_rbs).astype(np.int64)
        return Allocation.of_wanted(in_order(wanted, _RANKED, n_rbs), n_rbs, beta=_RULE_BETA)

    def _fixed(self) -> Allocation:
        n_rbs = self.facts.n_rbs if self.facts else 0
        return Allocation.of_wanted(np.asarray(BEST_SPLIT) * n_rbs // sum(BEST_SPLIT), n_rbs)


def _control(report: radio_pb2.Report, allocation: Allocation, *, version: int) -> radio_pb2.Control:
    return radio_pb2.Control(
        epoch=report.epoch,
        frame=report.frame,
        quota_rbs=allocation.quota_rbs.tolist(),
        beta=allocation.beta.tolist(),
        over_ratio=float(allocation.over_ratio),
        policy_version=version,
    )
