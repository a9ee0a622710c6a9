"""Who there is: the platform's parts with their scopes, and what an xApp's descriptor gives its identities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ric_sim.e2.scopes import ANY, PeerIdentity, Verb
from services.common.certificates import Leaf

KPM_WATCH = "kpm-watch"
"""The xApp that `ricity kpm watch` attaches as."""

ScopeEntry = Mapping[str, Sequence[str]]
"""One identity's lists, as in scopes.yaml."""


@dataclass(frozen=True, slots=True)
class Member:
    """A holder of a certificate.

    Attributes:
        serves: it has a gRPC or REST port or one of its own kind, so clients must find it by its name and addresses.
        scope: what it may do at others' ports.
        decides: others call it over gRPC, so it needs to know all scopes.
        is_foreign: a program of others, which runs as another user than ours.
        is_watched: it has a status port, found by its name alone.
    """

    identity: PeerIdentity
    scope: ScopeEntry
    serves: bool = False
    decides: bool = False
    is_foreign: bool = False
    is_watched: bool = True

    @property
    def name(self) -> str:
        return self.identity.name

    def leaf(self, addresses: tuple[str, ...] = ()) -> Leaf:
        """What its certificate says.

        Args:
            addresses: DNS names and IP addresses beside its own name; `part=address` is for that part only.
        """
        named = (address.rpartition("=") for address in addresses if self.serves)
        own = tuple(address for part, _, address in named if part in ("", self.name))
        return Leaf(self.identity, serves=self.serves or self.is_watched, addresses=own, is_shared=self.is_foreign)


class Described(Protocol):
    """An xApp's descriptor, as far as it says what the xApp may do."""

    @property
    def controls(self) -> Sequence[str]: ...

    @property
    def keys(self) -> Sequence[str]: ...

    @property
    def services(self) -> Sequence[str]: ...

    @property
    def subscriptions(self) -> Any: ...

    def instance(self, key: str | None = None) -> Any: ...


def platform() -> tuple[Member, ...]:
    """The parts that are no xApps."""
    views = [Verb.READ, Verb.STORE_READ]
    return (
        _part("ric", serves=True, decides=True),
        _part("radio", serves=True, decides=True, verbs=[Verb.READ, Verb.ENFORCE]),
        _part("nodes", verbs=[Verb.E2]),
        _part("manager", serves=True, verbs=[*views, Verb.ADMIN]),
        _part("registry", serves=True),
        _part("console", serves=True, verbs=views),
        _part("auditor"),
        _part("cli", is_watched=False, verbs=[*views, Verb.ADMIN, Verb.ATTACH], attach_as=[KPM_WATCH], nodes=[ANY]),
        _part("trainer", is_watched=False, verbs=[Verb.STORE_READ, Verb.STORE_WRITE]),
        *(Member(PeerIdentity("part", name), {"verbs": []}, serves=True, is_foreign=True) for name in ("store", "prometheus")),
        Member(PeerIdentity("part", "grafana"), {"verbs": []}, is_foreign=True, is_watched=False),
    )


def xapps_of(descriptor: Described) -> list[Member]:
    """One member per xApp name of a descriptor: instances and versions of a name share its identity."""
    return [_xapp(descriptor, key) for key in (descriptor.keys or (None,))]


def _part(name: str, *, serves: bool = False, decides: bool = False, is_watched: bool = True, **lists: Iterable[str]) -> Member:
    scope = {key: [str(value) for value in values] for key, values in {"verbs": [], **lists}.items()}
    return Member(PeerIdentity("part", name), scope, serves=serves, decides=decides, is_watched=is_watched)


def _xapp(descriptor: Described, key: str | None) -> Member:
    instance, wanted = descriptor.instance(key), descriptor.subscriptions
    scope: dict[str, list[str]] = {"verbs": []}
    if instance.inserts or instance.reports:
        scope["verbs"].append(Verb.ATTACH.value)
        scope |= {"services": list(instance.inserts), "nodes": [ANY]}
    if wanted.frames:
        scope["verbs"] += [Verb.SLICE.value, Verb.LEARN.value]
        scope["dus"] = [ANY if key is None else key]
    teaches = "weights" in descriptor.controls
    return Member(PeerIdentity("xapp", instance.xapp_name), scope, serves=teaches, decides=teaches)
