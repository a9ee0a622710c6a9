"""The one place that knows how a namespace's keys are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ric_sim.domain.errors import InvalidInput

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """Keys of one namespace. All share its hash tag, so that one script may touch them all, also on a cluster.

    Attributes:
        state: string, `codec.STATE_HEADER` then the used amounts (u32): all that a commit changes in place.
        limits: string, packed u32.
        expiry: sorted set, flow id -> emulated expiry in ms; its members are the live reservations.
        commits: hash, flow id -> `codec.COMMITTED_HEADER` then the request; kept after release for idempotency.
        log: stream, entry `<version + 1>-0` = record of that version with its chain hash.
        conflicts: stream, bounded: conflicts between xApps that were decided, newest last (`ric_sim.store.conflicts`).
        conflict_counts: hash, kind -> how many there were.
        meta: hash, what the namespace was created for; read by people and on attaching.
    """

    state: str
    limits: str
    expiry: str
    commits: str
    log: str
    conflicts: str
    conflict_counts: str
    meta: str

    @classmethod
    def of(cls, namespace: str) -> StoreKeys:
        """Keys of `namespace`.

        Raises:
            InvalidInput: it is not 1 to 64 letters, digits, dots, underscores and dashes.
        """
        if not _NAMESPACE.fullmatch(namespace):
            raise InvalidInput(f"namespace {namespace!r:.80}: expected 1 to 64 of A-Z a-z 0-9 . _ -")
        return cls(*(f"ricity:{{{namespace}}}:{name}" for name in cls.__slots__))

    @property
    def all(self) -> tuple[str, ...]:
        """In the order in which the scripts number them."""
        return (self.state, self.limits, self.expiry, self.commits, self.log, self.conflicts, self.conflict_counts, self.meta)


def service_owners_key(namespace: str) -> str:
    """String, JSON: xApp name -> keys of the services whose requests it takes. Not part of the resources or their log."""
    return StoreKeys.of(namespace).state.removesuffix("state") + "service_owners"


def refusals_key(namespace: str) -> str:
    """Hash: `period:resource:service` -> refusals, the congestion signals; there only when they are kept."""
    return StoreKeys.of(namespace).state.removesuffix("state") + "refusals"


def policies_key(namespace: str) -> str:
    """Hash: A1 policy id -> the policy, as the RIC keeps it. Not part of the resources or their log."""
    return StoreKeys.of(namespace).state.removesuffix("state") + "policies"


def parameters_key(namespace: str) -> str:
    """Hash: E2 node -> the RAN parameters that xApps have set there and who holds them. Not part of the resources."""
    return StoreKeys.of(namespace).state.removesuffix("state") + "parameters"
