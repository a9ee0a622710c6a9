"""The containers with mutual TLS and tokens: all works as before, and no port answers who has no identity."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

import grpc
import pytest

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc
from tests.e2e.compose.stack import eventually
from tests.e2e.compose.stranger import answers, listening_ports

DESCRIPTOR = "/usr/local/lib/python3.11/site-packages/xapps/routing/xapp.yaml"
NEW = "0.2.0"
STORE = "rediss://store:6379/0"
STATUS = 9100
WITHIN_S = 120
GRPC = {"ric": 50051, "radio": 50061, "critic": 50062}
DOORS = {"manager": 8080, "registry": 8090, "console": 8088}
FOREIGN = {"store": {6379}, "prometheus": {9090}, "grafana": {3000}}
HEALTH = """
import json, pathlib, sys
from grpc_health.v1 import health_pb2, health_pb2_grpc
from services.common.tls import Transport
found = {}
for target in sys.argv[1:]:
    with Transport(pathlib.Path("/tls")).blocking_channel(target, peer=target.partition(":")[0]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        found[target] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def stack(secured):
    return secured


def status(stack, part, port, *, token="", scheme="https", path="/openapi.json"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose certificate it is, is tested elsewhere
    request = urllib.request.Request(f"{scheme}://{stack.address(part, port)}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30, context=context if scheme == "https" else None) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def health(stack):
    return {name: row["State"]["Health"]["Status"] for name, row in stack.running().items()}


def test_every_container_is_healthy(stack):
    assert len(stack.running()) > len({"ric", "store", "nodes", "radio", "critic"}) + 12
    eventually(lambda: set(health(stack).values()) == {"healthy"}, within_s=WITHIN_S)  # the manager may have started one just now


def test_nodes_and_xapps_are_connected(stack):
    eventually(lambda: {node["status"] for node in stack.ricity("e2", "nodes")["nodes"]} == {"connected"}, within_s=WITHIN_S)
    eventually(lambda: len(stack.ricity("xapp", "list")["xapps"]) == 6, within_s=WITHIN_S)


def listening(stack, name):
    return listening_ports(stack.compose("exec", "-T", name, "cat", "/proc/net/tcp", "/proc/net/tcp6"))


def test_every_listening_port_is_known(stack):
    """A port that is not in the tables above is a door that nobody has thought of."""
    known = {
        name: FOREIGN.get(name) or {STATUS, *(table[name] for table in (GRPC, DOORS) if name in table)}
        for name in stack.running()
    }
    assert {name: listening(stack, name) for name in known} == known


def test_no_port_answers_without_an_identity(stack):
    places = {}
    for name, row in stack.running().items():
        for network, joined in row["NetworkSettings"]["Networks"].items():
            places |= {(name, port, network): (joined["IPAddress"], port) for port in listening(stack, name)}
    assert len(places) > 2 * len(GRPC) + len(DOORS) + len(FOREIGN)
    answered = answers(places)
    assert {place[:2] for place in answered} <= {("grafana", 3000)}, answered


def test_grafana_asks_for_a_login(stack):
    """Its page to log in and its health are everybody's, all else is not."""
    settings = dict(word.split("=", 1) for word in stack.container("grafana")["Config"]["Env"])
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert settings["GF_METRICS_ENABLED"] == "false"
    assert settings["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/tls/admin.password"
    health = stack.get("grafana", 3000, "/api/health")
    assert health["database"] == "ok"
    is_grafana = "stand_in" not in health  # what takes its place on a machine that cannot fetch it knows no logins
    for path in ("/api/datasources", "/api/search", "/api/dashboards/uid/ricity", "/api/org"):
        assert not is_grafana or status(stack, "grafana", 3000, path=path, scheme="http") == 401, path


def test_grpc_health_answers_an_identity_on_every_port(stack):
    targets = [f"{name}:{port}" for name, port in GRPC.items()]
    found = json.loads(stack.compose("run", "--rm", "-T", "cli", "python", "-c", HEALTH, *targets))
    assert found == dict.fromkeys(targets, "SERVING")


def test_prometheus_sees_every_part_and_tells_those_with_an_identity(stack, tmp_path):
    context = stack.take_identity(tmp_path)
    port = stack.address("prometheus", 9090).rpartition(":")[2]

    def seen():
        query = urllib.parse.urlencode({"query": "up"})
        with urllib.request.urlopen(f"https://localhost:{port}/api/v1/query?{query}", timeout=10, context=context) as answer:
            rows = json.load(answer)["data"]["result"]
        return {row["metric"].get("process", row["metric"]["job"]): row["value"][1] for row in rows}

    parts = (set(stack.running()) - set(FOREIGN)) | {"prometheus"}
    eventually(lambda: seen() == dict.fromkeys(parts, "1"), within_s=WITHIN_S, every_s=1)


def test_the_console_sees_the_status_ports(stack):
    """With the certificate of its own, over their TLS."""
    request = urllib.request.Request(f"http://{stack.address('console', 8088)}/api/v1/events")
    request.add_header("Authorization", f"Bearer {stack.token}")

    def states():
        with urllib.request.urlopen(request, timeout=20) as stream:
            for line in stream:
                found = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if "parts" in found:
                    return {part["name"]: part["state"] for part in found["parts"].get("parts", ())}
        return {}

    watched = {"ric", "nodes", "radio", "critic", "manager", "registry", "auditor"}
    eventually(lambda: states() == dict.fromkeys(watched, "ready"), within_s=WITHIN_S, every_s=1)


def test_what_the_critic_learns_is_in_the_registry(stack):
    """With a token of its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose certificate it is, is tested elsewhere
    request = urllib.request.Request(f"https://{stack.address('registry', 8090)}/registry/v1/models")
    request.add_header("Authorization", f"Bearer {stack.token}")

    def names():
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return [model["name"] for model in json.load(answer)]

    eventually(lambda: "critic-live" in names(), within_s=240, every_s=2)


def test_the_audit_reads_the_store_with_an_identity(stack):
    assert stack.ricity("audit", "--store", STORE)["ok"]


def test_no_secret_stands_in_any_log_nor_in_what_the_engine_tells(stack, tmp_path):
    stack.compose("cp", "certs:/certs/grafana/admin.password", str(tmp_path / "password"))
    stack.compose("cp", "certs:/certs/console/manager.token", str(tmp_path / "token"))
    logs = stack.compose("logs", "--no-color")
    assert len(logs.splitlines()) > 2 * len(stack.running())
    told = json.dumps(stack.rows()) + logs
    for secret in (*((tmp_path / name).read_text().strip() for name in ("password", "token")), stack.token):
        assert len(secret) > 20
        assert secret not in told


def test_a_stranger_does_not_reach_the_ric(stack):
    with grpc.insecure_channel(stack.address("ric", 50051)) as channel, pytest.raises(grpc.RpcError) as refused:
        admin_pb2_grpc.E2AdminServiceStub(channel).ListXapps(admin_pb2.ListXappsRequest(), timeout=30)
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
    eventually(lambda: health(stack)["routing-voip"] == "healthy", within_s=WITHIN_S)  # the engine looks after it, too
