"""What every resource store promises.

A store holds, for one namespace (one run of one city), the used amount of every resource, the live reservations, their
expiries in emulated time, and a hash-chained log of every change. Resources are numbered as in `City`:
directed link e -> e (kbps), compute of node v -> n_links + v (micro-cores).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ric_sim.domain.reservation import Change, CommitOutcome, CommitRequest, Snapshot, UsedAmounts
from ric_sim.store.congestion import Refusal


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """Sizes, limits and identity of what a namespace holds.

    Attributes:
        n_links: directed links; resources 0 .. n_links-1, kbps.
        n_nodes: nodes; resources n_links .. n_links+n_nodes-1, micro-cores.
        limits: uint32 [n_links + n_nodes], the most that may be used of each resource.
        city_fingerprint: sha256 hex of the city; a namespace belongs to one city.
    """

    n_links: int
    n_nodes: int
    limits: UsedAmounts
    city_fingerprint: str


class ResourceStore(Protocol):
    """Synchronous store. Errors: `StoreUnreachable`, `StoreCorrupt`, `InvalidInput`; then nothing changed unless stated."""

    def create(self, layout: StoreLayout) -> None:
        """Opens the namespace. Idempotent for the same layout; `CityMismatch` if it holds another city."""

    def snapshot(self) -> Snapshot:
        """Used amounts and version, consistent with each other; with the pressure, if the store keeps congestion signals."""

    def commit(self, requests: Sequence[CommitRequest], *, now_ms: int) -> list[CommitOutcome]:
        """Expires what is due at `now_ms`, then decides each request on its own, in order.

        A request with a priority that does not fit displaces just enough live reservations of lower priority
        (`ric_sim.store.preemption`) in the same step; if they would not suffice, or its latency is over budget all the same,
        it aborts and nobody is displaced.
        Time never runs backwards: an earlier `now_ms` than the store has seen counts as the latest seen.
        """

    def release(self, flow_ids: Sequence[str], *, now_ms: int) -> list[bool]:
        """Gives reservations back early; False for an id that holds none (never an error, nothing changes)."""

    def advance(self, now_ms: int) -> int:
        """Expires every reservation due at `now_ms`; returns how many."""

    def displaceable(self, priority: int) -> UsedAmounts:
        """uint32 [n_links + n_nodes], what live reservations of less than `priority` hold: most that displacing could free."""

    def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int) -> None:
        """Adds to the congestion signals; `Conflict` if the store was not opened to keep them. Aborts add themselves."""

    def lookup(self, flow_id: str) -> CommitOutcome | None:
        """The outcome of the commit of that flow (status DUPLICATE), also after its release; None if never committed."""

    def changes(self, *, after_version: int = -1) -> Iterator[Change]:
        """The log in order, from the record after `after_version`."""
