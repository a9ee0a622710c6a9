"""Who may do what on the gRPC interfaces: an identity from the peer's certificate, and the scope that a file gives it.

An identity is the URI in a certificate's subject alternative name: `ricity://part/<name>` of a platform part,
`ricity://xapp/<xapp_name>` of an xApp. Scopes are looked up when a call or stream begins, never per message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

import yaml

from ric_sim.domain.errors import MalformedFile, PermissionDenied, Unauthenticated, UnknownKey

ANY = "*"
"""In a scope: every service, node or O-DU, now and later."""

_URI = re.compile(r"ricity://(part|xapp)/([a-z0-9][a-z0-9._-]{0,63})")
_SAN = "x509_subject_alternative_name"


class Verb(StrEnum):
    """What a gRPC method does to the system."""

    READ = "read"  # views of nodes, subscriptions, xApps, measurements, policies
    ADMIN = "admin"  # weights, policies and whatever else changes how the RIC works
    E2 = "e2"  # an E2 node's association
    ATTACH = "attach"  # an xApp's association with the RIC
    ENFORCE = "enforce"  # puts slice ratios in force, and says so
    SLICE = "slice"  # a dApp's association with the radio network
    LEARN = "learn"  # an actor's association with the critic
    STORE_READ = "store-read"
    STORE_WRITE = "store-write"


_OPEN_SERVICES = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")
_OPEN_METHODS = ("/ricity.e2.v1.XappService/GetCity",)
"""Any identity may call these."""

_SERVICE_VERBS = {
    "ricity.e2.v1.E2TerminationService": Verb.E2,
    "ricity.e2.v1.XappService": Verb.ATTACH,
    "ricity.radio.v1.RadioService": Verb.SLICE,
    "ricity.learning.v1.LearningService": Verb.LEARN,
}
_METHOD_VERBS = {"/ricity.e2.v1.ConflictService/EnforceRatios": Verb.ENFORCE}
_STORE_SERVICE = "ricity.store.v1.StoreService"
_READING = ("Get", "List", "Watch", "Lookup")


def verb_of(method: str) -> Verb | None:
    """What is needed for a method, given as `/package.Service/Method`; None: an identity is enough.

    A method that this table does not know reads if its name says so, and else is an administrator's.
    """
    service, _, name = method.removeprefix("/").partition("/")
    if service in _OPEN_SERVICES or method in _OPEN_METHODS:
        return None
    if service in _SERVICE_VERBS:
        return _SERVICE_VERBS[service]
    if method in _METHOD_VERBS:
        return _METHOD_VERBS[method]
    reads = name.startswith(_READING)
    if service == _STORE_SERVICE:
        return Verb.STORE_READ if reads else Verb.STORE_WRITE
    return Verb.READ if reads else Verb.ADMIN


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who a certificate was made for."""

    kind: Literal["part", "xapp"]
    name: str

    def __post_init__(self) -> None:
        """Raises `MalformedFile` for a name that no certificate can carry."""
        if not _URI.fullmatch(self.uri):
            raise MalformedFile(f"identity {self.uri[:100]!r}: expected ricity://part/<name> or ricity://xapp/<name>, lower case")

    @property
    def uri(self) -> str:
        return f"ricity://{self.kind}/{self.name}"

    @classmethod
    def parse(cls, uri: str) -> PeerIdentity:
        """Raises `MalformedFile` unless it is an identity's URI."""
        scheme, _, rest = uri.partition("://")
        kind, _, name = rest.partition("/")
        if scheme != "ricity" or (kind != "part" and kind != "xapp"):
            raise MalformedFile(f"identity {uri[:100]!r}: expected ricity://part/<name> or ricity://xapp/<name>")
        return cls("part" if kind == "part" else "xapp", name)


def peer_identity(context: Any) -> PeerIdentity:
    """Whom the peer's certificate of a gRPC call names. Raises `Unauthenticated` unless it names exactly one."""
    names = [value.decode() for value in context.auth_context().get(_SAN, ())]
    uris = [name for name in names if name.startswith("ricity://")]
    if len(uris) != 1:
        raise Unauthenticated(
            f"the peer's certificate names {len(uris)} identities of Ricity: expected one; `ricity certs create` makes such"
        )
    try:
        return PeerIdentity.parse(uris[0])
    except MalformedFile as error:
        raise Unauthenticated(str(error)) from error


@dataclass(frozen=True, slots=True)
class Scope:
    """What one identity may do.

    Attributes:
        identity: its URI; empty for everybody on a system without certificates.
        verbs: kinds of calls.
        attach_as: xApp names it may register with.
        services: service keys whose requests it may decide.
        nodes: ranNames it may subscribe to.
        dus: O-DUs whose slices it may divide, by index.
    """

    identity: str
    verbs: frozenset[str]
    attach_as: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    dus: frozenset[str] = frozenset()

    def require_verb(self, verb: Verb, what: str) -> None:
        """Each of these raises `PermissionDenied` for what is outside the scope; `what` is named in the message."""
        if verb not in self.verbs:
            self._refuse(f"call {what}", "verbs", [verb], self.verbs)

    def require_name(self, xapp_name: str) -> None:
        self._require("attach as xApp", "attach_as", [xapp_name], self.attach_as)

    def require_services(self, keys: Iterable[str]) -> None:
        self._require("decide the requests of", "services", keys, self.services)

    def require_nodes(self, ran_names: Iterable[str]) -> None:
        """No names stand for every node."""
        self._require("subscribe to node", "nodes", tuple(ran_names) or (ANY,), self.nodes)

    def require_du(self, du: int | str) -> None:
        self._require("divide the slices of O-DU", "dus", [str(du)], self.dus)

    def _require(self, doing: str, field: str, wanted: Iterable[str], allowed: frozenset[str]) -> None:
        if ANY in allowed:
            return
        beyond = sorted(set(wanted) - allowed)
        if beyond:
            self._refuse(f"{doing} {', '.join(beyond)[:200]}", field, beyond, allowed)

    def _refuse(self, doing: str, field: str, wanted: Iterable[str], allowed: frozenset[str]) -> NoReturn:
        held = ", ".join(sorted(allowed)) or "none"
        raise PermissionDenied(f"{self.identity} may not {doing}: {field} in its scope are {held}")


_EVERYTHING = frozenset({ANY})
UNLIMITED = Scope("", frozenset(Verb), _EVERYTHING, _EVERYTHING, _EVERYTHING, _EVERYTHING)
"""Everybody's, where no certificates are in use."""


class Access(Protocol):
    """Decides at the beginning of every call and stream."""

    def admit(self, method: str, context: Any) -> None:
        """Raises unless the peer of the call may use the method, `/package.Service/Method`."""

    def scope(self, context: Any) -> Scope:
        """Of the peer of the call. Raises `Unauthenticated`, `PermissionDenied`."""


class OpenAccess:
    """Everybody may do everything: where no certificates are in use."""

    def admit(self, method: str, context: Any) -> None: ...

    def scope(self, context: Any) -> Scope:
        return UNLIMITED


_LISTS = ("verbs", "attach_as", "services", "nodes", "dus")


class ScopeBook:
    """The scopes of a file, read again when it has changed.

    An `Access`. A file that has become unusable changes nothing: the scopes read last go on to hold.
    """

    def __init__(self, path: Path, *, log: Any) -> None:
        """Raises `MalformedFile`."""
        self._path, self._log = path, log
        self._stamp = _stamp(path)
        self._scopes = load_scopes(path)

    def of(self, identity: PeerIdentity) -> Scope:
        """Raises `PermissionDenied` for an identity without a scope."""
        self._refresh()
        scope = self._scopes.get(identity.uri)
        if scope is None:
            raise PermissionDenied(f"{identity.uri} has no scope in {self._path.name}: `ricity certs create` writes them")
        return scope

    def scope(self, context: Any) -> Scope:
        return self.of(peer_identity(context))

    def admit(self, method: str, context: Any) -> None:
        verb = verb_of(method)
        if verb is not None:
            self.scope(context).require_verb(verb, method)
        else:
            peer_identity(context)

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._scopes = load_scopes(self._path)
        except MalformedFile as error:
            self._log.error("scopes.unusable", error=str(error))
        else:
            self._log.info("scopes.read", path=str(self._path), identities=len(self._scopes))


def load_scopes(path: Path) -> dict[str, Scope]:
    """Scopes by identity URI. Raises `MalformedFile`, which says what is wrong and what is expected."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedFile(f"{path}: cannot be read: {error}; `ricity certs create` writes it") from error
    except yaml.YAMLError as error:
        raise MalformedFile(f"{path}: is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise MalformedFile(f"{path}: expected a mapping from identities to scopes")
    try:
        return {uri: scope_of(PeerIdentity.parse(str(uri)), entry) for uri, entry in document.items()}
    except (MalformedFile, UnknownKey) as error:
        raise MalformedFile(f"{path}: {error}") from error


def scope_of(identity: PeerIdentity, entry: Any) -> Scope:
    """One scope from the lists of its file. An xApp may always attach as itself, unless `attach_as` says otherwise."""
    if not isinstance(entry, Mapping):
        raise MalformedFile(f"{identity.uri}: expected a mapping with {', '.join(_LISTS)}")
    for key, values in entry.items():
        if key not in _LISTS:
            raise UnknownKey(f"key of {identity.uri}", key, _LISTS)
        if not isinstance(values, list):
            raise MalformedFile(f"{identity.uri}: {key}: expected a list, got {values!r:.60}")
    lists = {key: frozenset(map(str, entry.get(key, ()))) for key in _LISTS}
    unknown = lists["verbs"] - set(Verb)
    if unknown:
        raise UnknownKey(f"verb of {identity.uri}", min(unknown), Verb)
    if identity.kind == "xapp" and "attach_as" not in entry:
        lists["attach_as"] = frozenset({identity.name})
    return Scope(identity.uri, **lists)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
