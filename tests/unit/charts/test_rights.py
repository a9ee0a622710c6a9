"""What containers of the chart may do, how they are looked after, and who may talk to whom."""

from __future__ import annotations

import re

import pytest

from services.common.certificates import STATUS_NAME
from tests.unit.charts.rendering import NAMESPACE, SENTINEL_URL, VALUE_SETS, environment, of_kind, pods, render

every_set = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS)
SINGLE_PORT = 9100


@every_set
def test_no_container_has_more_rights_than_it_needs(values):
    for name, pod in pods(render(values)).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is (name == "manager"), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert not any("hostPath" in volume for volume in spec.get("volumes", ())), name
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            rights = container["securityContext"]
            assert rights == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


@every_set
def test_every_container_is_bounded_and_looked_after(values):
    for name, pod in pods(render(values)).items():
        for container in pod["spec"]["containers"]:
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}, name
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
            assert {"livenessProbe", "readinessProbe"} <= set(container), name
            assert ":" in container["image"].rpartition("/")[2], f"{name}: an image without a tag"
        for volume in pod["spec"].get("volumes", ()):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], f"{name}: an unbounded folder"


@every_set
def test_the_manager_alone_has_rights_in_the_cluster_and_only_over_what_runs_xapps(values):
    objects = render(values)
    accounts = of_kind(objects, "ServiceAccount")
    assert {each["automountServiceAccountToken"] for each in accounts.values()} == {False}
    used = {name: pod["spec"]["serviceAccountName"] for name, pod in pods(objects).items()}
    managers = {"ricity-manager"} & {used.pop("manager", None)}
    assert set(used.values()) == {"ricity"}
    assert not of_kind(objects, "ClusterRole", "ClusterRoleBinding")
    assert set(of_kind(objects, "Role")) == set(of_kind(objects, "RoleBinding")) == {"manager"} & {*accounts}
    assert bool(managers) == ("manager" in accounts)
    for role in of_kind(objects, "Role").values():
        granted = {(*rule["apiGroups"], *rule["resources"]): set(rule["verbs"]) for rule in role["rules"]}
        assert set(granted) == {("apps", "deployments"), ("", "pods")}
        assert set.union(*granted.values()) == {"get", "list", "watch", "create", "patch", "delete"}
    for binding in of_kind(objects, "RoleBinding").values():
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "ricity-manager", "namespace": NAMESPACE}]


@every_set
def test_a_release_called_ricity_brings_no_variables_that_parts_refuse(values):
    """Kubernetes tells pods of services by <RELEASE>_<PART>_PORT, and our parts refuse RICITY_* variables they do not know."""
    assert {pod["spec"]["enableServiceLinks"] for pod in pods(render(values)).values()} == {False}


@every_set
def test_secrets_come_by_reference_only(values):
    objects = render(values)
    assert not of_kind(objects, "Secret")
    for name, pod in pods(objects).items():
        named = [key for key in environment(pod) if any(word in key for word in ("PASSWORD", "KEY", "SECRET"))]
        assert all(key.endswith("_FILE") and environment(pod)[key].startswith("/etc/ricity/") for key in named), name


@pytest.mark.parametrize("name", ["ric", "radio", "critic"])
def test_grpc_is_probed_as_grpc_where_the_kubelet_can(name):
    port = {"ric": 50051, "radio": 50061, "critic": 50062}[name]
    plain = pods(render(VALUE_SETS["insecure"]))[name]["spec"]["containers"][0]["readinessProbe"]
    assert plain["grpc"] == {"port": port}


def test_where_the_kubelet_has_no_certificate_parts_ask_themselves():
    for name, pod in pods(render(VALUE_SETS["monitoring"])).items():
        (container,) = pod["spec"]["containers"]
        probes = {probe: container[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe") if probe in container}
        asks = {("httpGet" in each, "grpc" in each) for each in probes.values()}
        assert asks == {(name == "grafana", False)}, f"{name}: only Grafana's health is everybody's"
        if [port["name"] for port in container.get("ports", ())][:1] == ["status"]:
            told = {probe: each["exec"]["command"] for probe, each in probes.items()}
            alive, ready = ["status-probe", "alive"], ["status-probe", "ready"]
            assert told == {"startupProbe": alive, "livenessProbe": alive, "readinessProbe": ready}


def test_the_password_of_the_store_reaches_parts_as_a_file():
    by_name = pods(render(VALUE_SETS["store with a password"]))
    for name in ("ric", "auditor", "cli"):
        assert environment(by_name[name])["RICITY_STORE_PASSWORD_FILE"] == "/etc/ricity/store/password"
        (volume,) = [each for each in by_name[name]["spec"]["volumes"] if each["name"] == "store-password"]
        assert volume["secret"]["secretName"] == "store-password"
    assert "@" not in environment(by_name["ric"])["RICITY_STORE_URL"]


def test_tls_and_tokens_are_on_unless_switched_off():
    by_name = pods(render(VALUE_SETS["monitoring"]))
    for name, pod in by_name.items():
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        assert volumes["identity"]["secret"] == {"secretName": f"ricity-tls-{name}", "defaultMode": 0o440}
        if name not in ("store", "prometheus", "grafana"):
            assert environment(pod)["RICITY_TLS_DIR"] == "/etc/ricity/identity"
    assert environment(by_name["grafana"])["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    (endpoint,) = of_kind(render(VALUE_SETS["monitoring"]), "ServiceMonitor")["parts"]["spec"]["endpoints"]
    assert (endpoint["scheme"], endpoint["tlsConfig"]["serverName"]) == ("https", STATUS_NAME)
    assert endpoint["tlsConfig"]["cert"]["secret"]["name"] == "ricity-tls-prometheus"
    for name in ("manager", "registry"):
        assert environment(by_name[name])["RICITY_TOKENS_FILE"] == "/etc/ricity/tokens/tokens.json"
    assert environment(by_name["console"])["RICITY_MANAGER"].startswith("https://")
    for pod in pods(render({**VALUE_SETS["insecure"], **VALUE_SETS["monitoring"]})).values():
        assert "RICITY_TLS_DIR" not in environment(pod)
        assert "identity" not in {volume["name"] for volume in pod["spec"].get("volumes", ())}


def test_disruption_budgets_cover_each_pod_once():
    objects = render()
    budgets = of_kind(objects, "PodDisruptionBudget").values()
    for name, pod in pods(objects).items():
        labels = pod["metadata"]["labels"]
        matching = [each for each in budgets if each["spec"]["selector"]["matchLabels"].items() <= labels.items()]
        assert len(matching) == 1, f"{name}: a pod of two budgets cannot be evicted at all"


@every_set
def test_selectors_find_their_own_pods_and_no_others(values):
    objects = render(values)
    by_name = pods(objects)
    for each in of_kind(objects, "Service").values():
        found = [name for name, pod in by_name.items() if each["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
        assert found == [each["metadata"]["name"].removeprefix("ricity-")]
        ports = {port["name"] for port in by_name[found[0]]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports


class Reach:
    """What the NetworkPolicies let pass, read as Kubernetes does."""

    def __init__(self, values):
        objects = render(values)
        self.labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
        self.policies = [each["spec"] for each in of_kind(objects, "NetworkPolicy").values()]

    def passes(self, source, target, port):
        return self._allowed("egress", "to", source, target, port) and self._allowed("ingress", "from", target, source, port)

    def _allowed(self, direction, side, own, other, port):
        mine = [each for each in self.policies if self._selects(each["podSelector"], own)]
        ruling = [each for each in mine if direction.title() in each["policyTypes"]]
        rules = [rule for each in ruling for rule in each.get(direction) or ()]
        return not ruling or any(self._fits(rule, side, other, port) for rule in rules)

    def _fits(self, rule, side, other, port):
        peers = [peer["podSelector"] for peer in rule[side] if set(peer) == {"podSelector"}]
        ports = rule.get("ports")
        return any(self._selects(peer, other) for peer in peers) and (ports is None or port in [each["port"] for each in ports])

    def _selects(self, selector, name):
        return selector.get("matchLabels", {}).items() <= self.labels[name].items()


def test_only_what_has_to_talk_can():
    reach = Reach({"monitoring": {"prometheus": {"enabled": True}, "grafana": {"enabled": True}}})
    ports = {"store": 6379, "ric": 50051, "radio": 50061, "critic": 50062, "manager": 8080, "registry": 8090, "prometheus": 9090}
    passing = {
        target: {source for source in reach.labels if reach.passes(source, target, port)} for target, port in ports.items()
    }
    routing = {name for name in reach.labels if name.startswith("routing-")}
    slicing = {name for name in reach.labels if name.startswith("slicing-du-")}
    assert len(routing) == len(slicing) == 6
    assert passing == {
        "store": {"ric", "auditor", "cli"},
        "ric": {*routing, "nodes", "radio", "manager", "console", "cli"},
        "radio": {*slicing, "manager"},
        "critic": {*slicing, "manager"},
        "manager": {"console", "cli"},
        "registry": {"console", "cli"},
        "prometheus": {"grafana"},
    }
    watched = {target for target in reach.labels if reach.passes("prometheus", target, SINGLE_PORT)}
    assert watched == set(reach.labels) - {"store", "prometheus", "grafana", "cli"}
    assert not reach.passes("routing-ar", "routing-iot", SINGLE_PORT)


def test_the_parts_reach_every_address_they_are_given():
    reach = Reach({})
    for name, pod in pods(render()).items():
        for key, value in environment(pod).items():
            for word in value.split(",") if re.search(r"ricity-[\w-]+:\d", value) else ():
                address = word.rpartition("=")[2].rpartition("//")[2].rpartition("@")[2].partition("/")[0]
                host, _, port = address.partition(":")
                assert reach.passes(name, host.removeprefix("ricity-"), int(port)), f"{name}: {key}={value}"


def test_a_store_elsewhere_is_reached_by_those_that_have_its_url():
    objects = render(VALUE_SETS["external store"])
    assert "store" not in pods(objects)
    assert _may_leave_by(objects, 6380) == {"ric", "auditor", "cli"}
    assert environment(pods(objects)["ric"])["RICITY_STORE_URL"] == "rediss://db.example:6380/0"


def test_a_store_behind_sentinel_is_reached_at_both_ports():
    objects = render(VALUE_SETS["store behind Sentinel"])
    assert environment(pods(objects)["auditor"])["RICITY_STORE_URL"] == SENTINEL_URL
    (rule,) = (
        rule
        for rule in of_kind(objects, "NetworkPolicy")["ric"]["spec"]["egress"]
        if any("ipBlock" in peer for peer in rule["to"])
    )
    assert [port["port"] for port in rule["ports"]] == [6379, 26380]


def _may_leave_by(objects, port):
    """Whom the policies let out of the release to an address by a port."""
    return {
        name
        for name, policy in of_kind(objects, "NetworkPolicy").items()
        for rule in policy["spec"].get("egress") or ()
        if any("ipBlock" in peer for peer in rule["to"]) and port in [each["port"] for each in rule["ports"]]
    }


def test_the_manager_alone_reaches_the_api_server():
    assert _may_leave_by(render(), 6443) == _may_leave_by(render(), 443) == {"manager"}
    moved = {"networkPolicies": {"apiServerCidr": "192.0.2.1/32", "apiServerPorts": [16443]}}
    assert _may_leave_by(render(moved), 16443) == {"manager"}
    assert not _may_leave_by(render(moved), 6443)


def test_the_dns_of_prometheus_names_every_status_port():
    objects = render(VALUE_SETS["monitoring"])
    config = of_kind(objects, "ConfigMap")["prometheus"]["data"]["prometheus.yml"]
    for name, service in of_kind(objects, "Service").items():
        is_watched = SINGLE_PORT in [port["port"] for port in service["spec"]["ports"]]
        assert (f'"ricity-{name}.{NAMESPACE}.svc"' in config) == is_watched, name
