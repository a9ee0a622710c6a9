"""All policies together: what may not be used by which service, which priorities hold, and which policies that satisfies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ric_sim.e2.policy_scope import Directive
from ric_sim.e2.slice_guarantees import Guarantee
from ricity.a1.v1 import policy_pb2
from ricity.e2.v1 import xapp_pb2


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy the RIC keeps, and what it demands in its city."""

    policy: policy_pb2.Policy
    directive: Directive


@dataclass(slots=True)
class Rules:
    """What holds from one generation on.

    Attributes:
        generation: of the newest policy it contains.
        forbidden: by service: resource -> id of the policy that forbids it.
        avoided: by service: resources to use only where there is no other way.
        priorities: by service; where two policies differ the newer one holds.
        priority_of: by service: id of that policy.
        guarantees: by S-NSSAI: policy and DL throughput; where two policies differ the newer one holds.
    """

    generation: int = 0
    forbidden: dict[int, dict[int, str]] = field(default_factory=dict)
    avoided: dict[int, set[int]] = field(default_factory=dict)
    priorities: dict[int, int] = field(default_factory=dict)
    priority_of: dict[int, str] = field(default_factory=dict)
    guarantees: dict[str, tuple[str, Guarantee]] = field(default_factory=dict)

    def notice(self) -> xapp_pb2.AttachResponse:
        """What the xApps are told."""
        services = [
            xapp_pb2.ServiceSteering(
                service=service,
                forbidden=sorted(self.forbidden.get(service, ())),
                avoided=sorted(self.avoided.get(service, set()) - set(self.forbidden.get(service, ()))),
            )
            for service in sorted({*self.forbidden, *self.avoided})
        ]
        return xapp_pb2.AttachResponse(steering=xapp_pb2.SteeringNotice(generation=self.generation, services=services))


def compile_rules(policies: Iterable[HeldPolicy], generation: int) -> Rules:
    """Rules of all policies, given oldest change first."""
    rules = Rules(generation)
    for held in policies:
        directive, policy_id = held.directive, held.policy.policy_id
        if directive.reason:
            continue
        if directive.guarantee is not None:
            rules.guarantees.pop(directive.guarantee.slice_id, None)  # those that came first are served first
            rules.guarantees[directive.guarantee.slice_id] = (policy_id, directive.guarantee)
        for service in directive.services:
            if directive.forbidden:
                rules.forbidden.setdefault(service, {}).update(dict.fromkeys(directive.forbidden, policy_id))
            if directive.avoided:
                rules.avoided.setdefault(service, set()).update(directive.avoided)
            if directive.priority is not None:
                rules.priorities[service] = directive.priority
                rules.priority_of[service] = policy_id
    return rules


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What those who obey have confirmed.

    Attributes:
        by_service: the generation that every xApp instance serving it has confirmed; 0 or absent: none serves it.
        by_radio: the generation that every radio network has put in force; 0: there is none.
        unmet: ids of policies whose guarantee some radio network has no room for.
    """

    by_service: Mapping[int, int]
    by_radio: int = 0
    unmet: frozenset[str] = frozenset()


def status_of(
    held: HeldPolicy, rules: Rules, confirmed: Confirmed, known: policy_pb2.PolicyStatus | None
) -> policy_pb2.PolicyStatus:
    """Whether a policy is obeyed.

    Args:
        known: what was found before; returned itself if it still holds.
    """
    policy, reason = held.policy, held.directive.reason
    enforced = not reason and _is_enforced(held, rules, confirmed)
    if not enforced and not reason:
        reason = policy_pb2.NOT_ENFORCED_REASON_OTHER
    if known is not None and (known.generation, known.enforced, known.reason) == (policy.generation, enforced, reason):
        return known
    return policy_pb2.PolicyStatus(policy_id=policy.policy_id, generation=policy.generation, enforced=enforced, reason=reason)


def _is_enforced(held: HeldPolicy, rules: Rules, confirmed: Confirmed) -> bool:
    policy, directive = held.policy, held.directive
    steered = not (directive.forbidden or directive.avoided) or all(
        confirmed.by_service.get(service, 0) >= policy.generation for service in directive.services
    )
    prioritised = directive.priority is None or all(
        rules.priority_of.get(service) == policy.policy_id for service in directive.services
    )
    return rules.generation >= policy.generation and steered and prioritised and _is_guaranteed(held, rules, confirmed)


def _is_guaranteed(held: HeldPolicy, rules: Rules, confirmed: Confirmed) -> bool:
    guarantee, policy_id = held.directive.guarantee, held.policy.policy_id
    if guarantee is None:
        return True
    holds = rules.guarantees.get(guarantee.slice_id, ("", None))[0] == policy_id
    return holds and confirmed.by_radio >= held.policy.generation and policy_id not in confirmed.unmet
