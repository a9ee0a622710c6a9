"""All policies together: what may not be used by which service, which priorities hold, and which policies that satisfies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ric_sim.e2.policy_scope import Directive
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
    """

    generation: int = 0
    forbidden: dict[int, dict[int, str]] = field(default_factory=dict)
    avoided: dict[int, set[int]] = field(default_factory=dict)
    priorities: dict[int, int] = field(default_factory=dict)
    priority_of: dict[int, str] = field(default_factory=dict)

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
        for service in directive.services:
            if directive.forbidden:
                rules.forbidden.setdefault(service, {}).update(dict.fromkeys(directive.forbidden, policy_id))
            if directive.avoided:
                rules.avoided.setdefault(service, set()).update(directive.avoided)
            if directive.priority is not None:
                rules.priorities[service] = directive.priority
                rules.priority_of[service] = policy_id
    return rules


def status_of(
    held: HeldPolicy, rules: Rules, confirmed: Mapping[int, int], known: policy_pb2.PolicyStatus | None
) -> policy_pb2.PolicyStatus:
    """Whether a policy is obeyed.

    Args:
        known: what was found before; returned itself if it still holds.
        confirmed: by service: the generation that every xApp instance serving it has confirmed; 0 or absent: none serves it.
    """
    policy, reason = held.policy, held.directive.reason
    enforced = not reason and _is_enforced(held, rules, confirmed)
    if not enforced and not reason:
        reason = policy_pb2.NOT_ENFORCED_REASON_OTHER
    if known is not None and (known.generation, known.enforced, known.reason) == (policy.generation, enforced, reason):
        return known
    return policy_pb2.PolicyStatus(policy_id=policy.policy_id, generation=policy.generation, enforced=enforced, reason=reason)


def _is_enforced(held: HeldPolicy, rules: Rules, confirmed: Mapping[int, int]) -> bool:
    policy, directive = held.policy, held.directive
    steered = not (directive.forbidden or directive.avoided) or all(
        confirmed.get(service, 0) >= policy.generation for service in directive.services
    )
    prioritised = directive.priority is None or all(
        rules.priority_of.get(service) == policy.policy_id for service in directive.services
    )
    return rules.generation >= policy.generation and steered and prioritised
