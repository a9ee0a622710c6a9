"""Scopes without a network: the file, the table of verbs, what is inside and what is outside."""

from __future__ import annotations

import pytest
import structlog

from ric_sim.domain.errors import MalformedFile, PermissionDenied, Unauthenticated
from ric_sim.e2.scopes import UNLIMITED, PeerIdentity, ScopeBook, Verb, load_scopes, peer_identity, scope_of, verb_of
from services.ric.composition import SERVICE_NAMES

VIDEO = PeerIdentity("xapp", "routing-video")


class Call:
    """A gRPC call's context, as far as it tells who calls."""

    def __init__(self, *names: str) -> None:
        self._names = [name.encode() for name in names]

    def auth_context(self):
        return {"x509_subject_alternative_name": self._names} if self._names else {}


@pytest.mark.parametrize(
    ("method", "verb"),
    [
        ("/ricity.e2.v1.E2TerminationService/Connect", Verb.E2),
        ("/ricity.e2.v1.XappService/Attach", Verb.ATTACH),
        ("/ricity.e2.v1.XappService/GetCity", None),
        ("/ricity.e2.v1.E2AdminService/ListXapps", Verb.READ),
        ("/ricity.e2.v1.E2AdminService/SetWeight", Verb.ADMIN),
        ("/ricity.a1.v1.PolicyService/WatchEnforcement", Verb.READ),
        ("/ricity.a1.v1.PolicyService/PutPolicy", Verb.ADMIN),
        ("/ricity.store.v1.StoreService/GetSnapshot", Verb.STORE_READ),
        ("/ricity.store.v1.StoreService/Commit", Verb.STORE_WRITE),
        ("/ricity.radio.v1.RadioService/Attach", Verb.SLICE),
        ("/ricity.radio.v1.RadioAdminService/ListDapps", Verb.READ),
        ("/ricity.radio.v1.RadioAdminService/PreferVersion", Verb.ADMIN),
        ("/ricity.learning.v1.CriticAdminService/GetCritic", Verb.READ),
        ("/ricity.e2.v1.ConflictService/EnforceRatios", Verb.ENFORCE),
        ("/ricity.learning.v1.LearningService/Learn", Verb.LEARN),
        ("/grpc.health.v1.Health/Check", None),
        ("/of.some.later.Service/DoSomething", Verb.ADMIN),
    ],
)
def test_what_a_method_needs(method, verb):
    assert verb_of(method) is verb


def test_no_method_of_the_ric_is_open_but_the_city():
    from google.protobuf import descriptor_pool

    for name in SERVICE_NAMES:
        for method in descriptor_pool.Default().FindServiceByName(name).methods:
            assert (verb_of(f"/{name}/{method.name}") is None) == (method.name == "GetCity")


def test_inside_and_outside():
    scope = scope_of(VIDEO, {"verbs": ["attach"], "services": ["video"], "nodes": ["n1"], "dus": ["3"]})
    scope.require_verb(Verb.ATTACH, "Attach")
    scope.require_name("routing-video")
    scope.require_services(["video"])
    scope.require_nodes(["n1"])
    scope.require_du(3)
    for outside in (
        lambda: scope.require_verb(Verb.ADMIN, "SetWeight"),
        lambda: scope.require_name("routing-voip"),
        lambda: scope.require_services(["video", "voip"]),
        lambda: scope.require_nodes(["n1", "n2"]),
        lambda: scope.require_nodes([]),
        lambda: scope.require_du(2),
    ):
        with pytest.raises(PermissionDenied, match=r"ricity://xapp/routing-video may not .* in its scope are"):
            outside()


def test_a_star_is_everything():
    scope = scope_of(VIDEO, {"verbs": [], "nodes": ["*"]})
    scope.require_nodes([])
    scope.require_nodes(["any"])
    UNLIMITED.require_services(["any"])


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "a: [",
        "ricity://part/ric: []",
        "ricity://part/ric: {verbs: read}",
        "ricity://part/ric: {verbs: [reed]}",
        "ricity://part/ric: {verb: [read]}",
        "ricity://alien/ric: {verbs: [read]}",
        "ricity://part/../ric: {verbs: [read]}",
        "5: {}",
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "scopes.yaml").write_text(content)
    with pytest.raises(MalformedFile):
        load_scopes(tmp_path / "scopes.yaml")
    with pytest.raises(MalformedFile, match="certs create"):
        load_scopes(tmp_path / "absent.yaml")


def test_who_calls():
    assert peer_identity(Call("localhost", "ricity://part/ric")) == PeerIdentity("part", "ric")
    for names in ((), ("localhost",), ("ricity://part/ric", "ricity://part/cli"), ("ricity://part/",)):
        with pytest.raises(Unauthenticated):
            peer_identity(Call(*names))


def test_an_identity_without_a_scope_may_call_health_only(tmp_path):
    path = tmp_path / "scopes.yaml"
    path.write_text("ricity://part/cli: {verbs: [read]}\n")
    book = ScopeBook(path, log=structlog.get_logger())
    book.admit("/grpc.health.v1.Health/Check", Call("ricity://xapp/other"))
    with pytest.raises(PermissionDenied, match="no scope"):
        book.admit("/ricity.e2.v1.E2AdminService/ListNodes", Call("ricity://xapp/other"))
    with pytest.raises(Unauthenticated):
        book.admit("/grpc.health.v1.Health/Check", Call())
