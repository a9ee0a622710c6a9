"""Policies that search the splits of a cell: by estimated curves, and the oracle that knows the rates to come."""

from __future__ import annotations

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.arrays import new_outcome
from ric_sim.radio.decoding import PROPORTIONAL_FAIR, Allocation
from ric_sim.radio.policies.base import RulePolicy, SlicingPolicy
from ric_sim.radio.policies.kernels_search import respond, search_curves
from ric_sim.radio.policies.splits import granted
from ric_sim.radio.world import World


def by_curves(name: str, *, derating: float = 0.6, beta: float = PROPORTIONAL_FAIR) -> RulePolicy:
    """The best of all splits by what each slice would gain from each number of RBs, at the estimated rates times `derating`.

    Raises:
        OutOfRange: a derating that is not above 0 and at most 1, or an exponent outside [0, 1].
    """
    if not (0.0 < derating <= 1.0 and 0.0 <= beta <= 1.0):
        raise OutOfRange(f"derating {derating} and beta {beta}: expected above 0 to 1, and 0 to 1")

    def rule(world: World) -> Allocation:
        quota = np.empty(world.state.need_rbs.shape, dtype=np.int64)
        search_curves(world.network, world.state, derating, beta, quota)
        return granted(world, quota, beta=beta)

    return RulePolicy(name, rule)


class Oracle:
    """Best responses with the rates that will be realised: no network can play it, but it bounds what single cells can gain.

    From a start policy's allocation, each O-DU in turn tries every split on a grid and every exponent offered, the others fixed,
    and takes what pays it most; repeated for some rounds.
    """

    def __init__(
        self,
        name: str,
        start: SlicingPolicy,
        *,
        step_rbs: int = 5,
        betas: tuple[float, ...] = (PROPORTIONAL_FAIR, 1.0),
        rounds: int = 1,
    ) -> None:
        """Raises `OutOfRange` for a step, exponents or a number of rounds that leave nothing to try."""
        if step_rbs < 1 or rounds < 1 or not betas or not all(0.0 <= beta <= 1.0 for beta in betas):
            raise OutOfRange(f"step of {step_rbs} RBs, {rounds} rounds, betas {betas}: expected 1 or more each, betas in [0, 1]")
        self.name = name
        self._start, self._step_rbs, self._betas, self._rounds = start, step_rbs, betas, rounds

    def allocate(self, world: World) -> Allocation:
        started = self._start.allocate(world)
        chosen = (started.quota_rbs.copy(), np.array(started.beta))
        state = world.state._replace(
            rb_ue=world.state.rb_ue.copy(),
            transmits=world.state.transmits.copy(),
            block_activity=world.state.block_activity.copy(),
            rate_bps=world.state.rate_bps.copy(),
        )
        outcome = new_outcome(world.config, world.n_replicas)
        respond(world.network, state, self._options(world.config.n_rbs), outcome, chosen, self._rounds)
        return granted(world, chosen[0], beta=chosen[1])

    def _options(self, n_rbs: int) -> tuple[np.ndarray, np.ndarray]:
        marks = sorted({*range(0, n_rbs, self._step_rbs), n_rbs})
        splits = [(embb, mmtc, n_rbs - embb - mmtc) for embb in marks for mmtc in marks if embb + mmtc <= n_rbs]
        quotas = np.array([split for split in splits for _ in self._betas], dtype=np.int64)
        return quotas, np.array([(beta, beta) for _ in splits for beta in self._betas])
