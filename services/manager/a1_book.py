"""What the manager knows of A1 policies: the policies themselves and what the RIC last said of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ric_sim.domain.errors import InvalidInput, NotFound, RicUnreachable
from ricity.a1.v1 import policy_pb2

_REASONS = {
    policy_pb2.NOT_ENFORCED_REASON_SCOPE_NOT_APPLICABLE: "SCOPE_NOT_APPLICABLE",
    policy_pb2.NOT_ENFORCED_REASON_STATEMENT_NOT_APPLICABLE: "STATEMENT_NOT_APPLICABLE",
}


@dataclass(frozen=True, slots=True)
class Status:
    """As A1 words it; `reason` is empty when enforced."""

    enforced: bool
    reason: str = ""

    def as_json(self) -> dict[str, str]:
        """The standard's status object."""
        if self.enforced:
            return {"enforceStatus": "ENFORCED"}
        return {"enforceStatus": "NOT_ENFORCED", "enforceReason": self.reason}


UNCONFIRMED = Status(enforced=False, reason="OTHER_REASON")
Notify = Callable[[str, str, Status], None]


class PolicyCache:
    """The RIC's policies, mirrored. Status changes of policies with a notification destination go to `notify`."""

    def __init__(self, notify: Notify) -> None:
        """`notify` gets policy id, destination and status; must not block."""
        self._notify = notify
        self._policies: dict[str, policy_pb2.Policy] = {}
        self._by_type: dict[str, dict[str, None]] = {}
        self._statuses: dict[str, policy_pb2.PolicyStatus] = {}
        self._told: dict[str, Status] = {}
        self._loaded = False
        self.alive = False
        """The RIC answers, so what it last said still holds."""

    def __len__(self) -> int:
        return len(self._policies)

    def ids(self, type_id: str) -> list[str]:
        """Ids of a type's policies, oldest first."""
        self._check_loaded()
        return list(self._by_type.get(type_id, ()))

    def find(self, type_id: str, policy_id: str) -> policy_pb2.Policy:
        """The policy; `NotFound` if the type has none of that id."""
        self._check_loaded()
        policy = self._policies.get(policy_id)
        if policy is None or policy.policy_type_id != type_id:
            raise NotFound(f"no policy {policy_id!r:.140} of type {type_id}: list them with GET policytypes/{type_id}/policies")
        return policy

    def document(self, type_id: str, policy_id: str) -> Any:
        """The policy as it came over A1."""
        return json.loads(self.find(type_id, policy_id).document_json)

    def exists(self, type_id: str, policy_id: str) -> bool:
        """Whether the type has it; `InvalidInput` if another type has: ids are unique across types."""
        self._check_loaded()
        policy = self._policies.get(policy_id)
        if policy is not None and policy.policy_type_id != type_id:
            raise InvalidInput(
                f"policy id {policy_id!r:.140} is taken by a policy of type {policy.policy_type_id}: choose another"
            )
        return policy is not None

    def status(self, type_id: str, policy_id: str) -> Status:
        """What the RIC last said of the policy as it is now; not enforced while the RIC cannot be heard."""
        return self._status(self.find(type_id, policy_id))

    def all(self) -> list[policy_pb2.Policy]:
        """Every policy."""
        return list(self._policies.values())

    # --- from the RIC --------------------------------------------------------------------------------------------------

    def replace(self, policies: Iterable[policy_pb2.Policy]) -> None:
        """What the RIC holds; what it said of those that it still holds stays."""
        self._policies = {}
        self._by_type = {}
        for policy in policies:
            self.keep(policy)
        self._told = {policy_id: told for policy_id, told in self._told.items() if policy_id in self._policies}
        self._loaded = True

    def keep(self, policy: policy_pb2.Policy) -> None:
        """The RIC has stored it."""
        former = self._policies.get(policy.policy_id, policy)
        if former.policy_type_id != policy.policy_type_id:
            del self._by_type[former.policy_type_id][policy.policy_id]
        self._policies[policy.policy_id] = policy
        self._by_type.setdefault(policy.policy_type_id, {})[policy.policy_id] = None
        self._tell(policy)

    def forget(self, policy_id: str) -> None:
        """The RIC has deleted it."""
        policy = self._policies.pop(policy_id, None)
        self._statuses.pop(policy_id, None)
        self._told.pop(policy_id, None)
        if policy is not None:
            del self._by_type[policy.policy_type_id][policy_id]

    def heard(self, statuses: Iterable[policy_pb2.PolicyStatus]) -> None:
        """The RIC lives, and says this."""
        self.alive = True
        for status in statuses:
            policy = self._policies.get(status.policy_id)
            # Kept also for a policy not known here: while it is being created, the RIC may speak of it first.
            self._statuses[status.policy_id] = status
            if policy is not None:
                self._tell(policy)

    def lost(self) -> None:
        """The RIC is not heard any more: nothing counts as enforced."""
        self.alive = False
        self._statuses = {}
        for policy in self._policies.values():
            self._tell(policy)

    # --- inside --------------------------------------------------------------------------------------------------------

    def _status(self, policy: policy_pb2.Policy) -> Status:
        said = self._statuses.get(policy.policy_id)
        if not self.alive or said is None or said.generation != policy.generation:
            return UNCONFIRMED
        return (
            Status(enforced=True) if said.enforced else Status(enforced=False, reason=_REASONS.get(said.reason, "OTHER_REASON"))
        )

    def _tell(self, policy: policy_pb2.Policy) -> None:
        if not policy.notification_destination:
            return
        status = self._status(policy)
        if self._told.get(policy.policy_id, UNCONFIRMED) != status:
            self._told[policy.policy_id] = status
            self._notify(policy.policy_id, policy.notification_destination, status)

    def _check_loaded(self) -> None:
        if not self._loaded:
            raise RicUnreachable(
                "the RIC has not been reached yet, so its policies are not known: start it, then repeat the call"
            )
