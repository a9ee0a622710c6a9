"""Slicing policies by name: the splits, need rules and searches that learned policies are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ric_sim.domain.errors import UnknownKey
from ric_sim.radio.policies import needs, searches, splits
from ric_sim.radio.policies.base import RulePolicy, SlicingPolicy

Parameters = Mapping[str, Any]

URLLC_FIRST = ("urllc", "mmtc", "embb")
BEST_SPLIT = (55, 15, 30)
"""eMBB, mMTC, URLLC: the best of a grid of 63 fixed splits on the nominal profile."""


@dataclass(frozen=True)
class SlicingPolicyFactory:
    """How to build a slicing policy.

    Attributes:
        summary: one line for people.
        build: called with the name, the seed of its random stream and all parameters.
        defaults: every parameter the policy has.
        deployable: it needs nothing that an O-DU cannot know when it decides.
    """

    summary: str
    build: Callable[[str, int, Parameters], SlicingPolicy]
    defaults: Parameters = field(default_factory=dict)
    deployable: bool = True


def _fixed(name: str, _seed: int, parameters: Parameters) -> SlicingPolicy:
    return splits.fixed_split(name, **parameters)


def _need(name: str, _seed: int, parameters: Parameters) -> SlicingPolicy:
    return needs.by_need(name, **parameters)


def _oracle(name: str, seed: int, parameters: Parameters) -> SlicingPolicy:
    return searches.Oracle(name, make_slicing_policy("need-tuned", seed=seed), **parameters)


SLICING_POLICIES: dict[str, SlicingPolicyFactory] = {
    "random": SlicingPolicyFactory(
        "a random split per frame, proportional fair", lambda name, seed, _parameters: splits.random_split(name, seed)
    ),
    "equal-rr": SlicingPolicyFactory("equal split, round robin", _fixed, {"shares": (1, 1, 1), "beta": 0.5, "round_robin": True}),
    "equal-pf": SlicingPolicyFactory(
        "equal split, proportional fair", _fixed, {"shares": (1, 1, 1), "beta": 0.5, "round_robin": False}
    ),
    "active-pf": SlicingPolicyFactory(
        "in proportion to active UEs, proportional fair", lambda name, _seed, _parameters: splits.by_active_ues(name)
    ),
    "demand-pf": SlicingPolicyFactory(
        "in proportion to requested bit rates, proportional fair", lambda name, _seed, _parameters: splits.by_demand(name)
    ),
    "static-pf": SlicingPolicyFactory(
        "best fixed split, proportional fair", _fixed, {"shares": BEST_SPLIT, "beta": 0.5, "round_robin": False}
    ),
    "static": SlicingPolicyFactory(
        "best fixed split, close to maximum C/I", _fixed, {"shares": BEST_SPLIT, "beta": 1.0, "round_robin": False}
    ),
    "need-shared": SlicingPolicyFactory(
        "needed RBs, scaled to the band", _need, {"order": (), "beta": 0.5, "margins": (1.0, 1.0, 1.0)}
    ),
    "need-embb": SlicingPolicyFactory(
        "needed RBs, URLLC before eMBB before mMTC",
        _need,
        {"order": ("urllc", "embb", "mmtc"), "beta": 0.5, "margins": (1.0, 1.0, 1.0)},
    ),
    "need": SlicingPolicyFactory(
        "needed RBs, URLLC before mMTC before eMBB",
        _need,
        {"order": URLLC_FIRST, "beta": 0.5, "margins": (1.0, 1.0, 1.0)},
    ),
    "need-tuned": SlicingPolicyFactory(
        "the same with less for URLLC and close to maximum C/I: the best rule",
        _need,
        {"order": URLLC_FIRST, "beta": 1.0, "margins": (1.0, 1.0, 0.8)},
    ),
    "curve": SlicingPolicyFactory(
        "the best of all splits by the slices' estimated curves",
        lambda name, _seed, parameters: searches.by_curves(name, **parameters),
        {"derating": 0.6, "beta": 0.5},
    ),
    "oracle": SlicingPolicyFactory(
        "best responses with the rates that will be realised; cannot be deployed",
        _oracle,
        {"step_rbs": 5, "betas": (0.5, 1.0), "rounds": 1},
        deployable=False,
    ),
}


def make_slicing_policy(name: str, *, seed: int = 0, **parameters: Any) -> SlicingPolicy:
    """The slicing policy called `name`.

    Args:
        seed: of the policy's own random stream, where it has one.
        parameters: override the defaults of `SLICING_POLICIES[name]`.
    Raises:
        UnknownKey: no such policy, or it has no such parameter.
        OutOfRange: a parameter outside its range.
    """
    if name not in SLICING_POLICIES:
        raise UnknownKey("slicing policy", name, SLICING_POLICIES)
    factory = SLICING_POLICIES[name]
    for parameter in parameters:
        if parameter not in factory.defaults:
            raise UnknownKey(f"parameter of slicing policy {name!r}", parameter, factory.defaults)
    return factory.build(name, seed, {**factory.defaults, **parameters})


__all__ = [
    "SLICING_POLICIES",
    "Parameters",
    "RulePolicy",
    "SlicingPolicy",
    "SlicingPolicyFactory",
    "make_slicing_policy",
]
