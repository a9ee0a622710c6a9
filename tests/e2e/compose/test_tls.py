"""The containers with mutual TLS and tokens: all works as before, and nobody without an identity gets in."""

import ssl
import urllib.error
import urllib.request

import grpc
import pytest

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc
from tests.e2e.compose.stack import eventually

DESCRIPTOR = "/usr/local/lib/python3.11/site-packages/xapps/routing/xapp.yaml"
NEW = "0.2.0"


@pytest.fixture(scope="module")
def stack(secured):
    return secured


def status(stack, part, port, *, token="", scheme="https"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose certificate it is, is tested elsewhere
    request = urllib.request.Request(f"{scheme}://{stack.address(part, port)}/openapi.json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10, context=context if scheme == "https" else None) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_every_container_is_healthy(stack):
    running = {name: row for name, row in stack.containers().items() if name != "certs"}
    assert len(running) > len({"ric", "store", "nodes", "radio", "critic"}) + 12
    assert {name: row["State"]["Health"]["Status"] for name, row in running.items()} == dict.fromkeys(running, "healthy")


def test_nodes_and_xapps_are_connected(stack):
    assert {node["status"] for node in stack.ricity("e2", "nodes")["nodes"]} == {"connected"}
    assert len(eventually(lambda: stack.ricity("xapp", "list")["xapps"], within_s=30)) == 6


def test_a_stranger_does_not_reach_the_ric(stack):
    with grpc.insecure_channel(stack.address("ric", 50051)) as channel, pytest.raises(grpc.RpcError) as refused:
        admin_pb2_grpc.E2AdminServiceStub(channel).ListXapps(admin_pb2.ListXappsRequest(), timeout=5)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("part", "port", "scheme"), [("manager", 8080, "https"), ("registry", 8090, "https"), ("console", 8088, "http")]
)
def test_rest_asks_for_a_token(stack, part, port, scheme):
    assert status(stack, part, port, scheme=scheme) == 401
    assert status(stack, part, port, scheme=scheme, token="forged") == 401


def test_the_manager_takes_the_token(stack):
    assert status(stack, "manager", 8080, token=stack.token) == 200


def test_an_upgrade_gives_the_new_container_its_certificate(stack):
    stack.ricity("xapp", "onboard", DESCRIPTOR, "--version", NEW)
    report = stack.ricity("xapp", "upgrade", "routing-voip", "--to", NEW)
    assert (report["state"], report["lost"], report["doubled"]) == ("succeeded", 0, 0), report
