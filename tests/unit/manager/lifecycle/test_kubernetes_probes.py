"""How the cluster is to look after an xApp: over HTTP in plain text; with TLS the xApp asks itself, with its own certificate."""

import pytest

from services.manager.lifecycle.descriptor import unfold
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace, deployment

OURS = {"xapp_name": "steering", "version": "1.0.0", "module": "xapps.steering"}
PLAIN = KubernetesPlace("city", "ricity", "ricity:1")
SECURE = KubernetesPlace("city", "ricity", "ricity:1", certificates="ricity-tls-{xapp}")


def probes(place, **described):
    (version,) = unfold({**OURS, **described})
    (container,) = deployment(place, version, {}, {})["spec"]["template"]["spec"]["containers"]
    return {name: container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}


def test_without_certificates_the_status_port_is_asked():
    found = probes(PLAIN)
    asked = {name: probe["httpGet"] for name, probe in found.items()}
    alive, ready = ({"path": f"/ric/v1/health/{state}", "port": "status"} for state in ("alive", "ready"))
    assert asked == {"startupProbe": alive, "livenessProbe": alive, "readinessProbe": ready}


def test_with_certificates_the_xapp_asks_its_own_status_port():
    told = {name: probe["exec"]["command"] for name, probe in probes(SECURE).items()}
    alive, ready = ["status-probe", "alive"], ["status-probe", "ready"]
    assert told == {"startupProbe": alive, "livenessProbe": alive, "readinessProbe": ready}


@pytest.mark.parametrize("place", [PLAIN, SECURE])
def test_a_port_or_command_of_its_own_is_the_descriptors(place):
    alive = {"httpGet": {"path": "/alive", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 15}
    found = probes(place, livenessProbe=alive, readinessProbe={"exec": {"command": ["/bin/ready"]}})
    assert found["livenessProbe"] == {"timeoutSeconds": 5, **alive}
    assert found["readinessProbe"] == {"periodSeconds": 5, "timeoutSeconds": 5, "exec": {"command": ["/bin/ready"]}}
