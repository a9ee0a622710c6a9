"""What a dApp decides with before its critic has sent anything."""

from __future__ import annotations

from ric_sim.radio.learned import ActorStack, starting_weights
from xapps.slicing.agent import Policy, RadioFacts
from xapps.slicing.staging import check_fit


def starting_policy(choice: str, name: str, facts: RadioFacts) -> Policy | None:
    """The policy of `RICITY_SLICING_WEIGHTS`; None: the rule decides.

    Raises:
        WeightsMissing, WeightsCorrupt: see `starting_weights`. WeightsMismatch: of another network than the O-DU's.
    """
    weights = starting_weights(choice, name)
    if weights is None:
        return None
    check_fit(weights.spec, name, facts)
    return Policy(ActorStack([weights]), weights.spec.version, weights.sha256)
