"""The Deployment of an xApp's version: what Kubernetes knows, as little rights as the chart gives, what the descriptor says."""

import json

import kubernetes_validate
import pytest
import yaml

from ric_sim.domain.errors import InvalidInput
from services.common.settings import load_settings
from services.manager.lifecycle.descriptor import unfold
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace, deployment, deployment_name
from services.manager.settings import ManagerSettings
from tests.unit.charts.rendering import ROOT, VALUE_SETS, environment, of_kind, pods, render

PLACE = KubernetesPlace("city", "ricity", "ricity:0.1.0", "ricity-tls-{xapp}")
SETTINGS = {"RICITY_CONFIG_GENERATION": "3", "RICITY_REPLANS": "2"}
ROUTING = yaml.safe_load((ROOT / "xapps" / "routing" / "xapp.yaml").read_text())
FULL = {
    "xapp_name": "a",
    "version": "1.2.3+build.7",
    "containers": [{"name": "a", "image": {"registry": "localhost:5000", "name": "x/a", "tag": "1"}, "command": ["run", "it"]}],
    "livenessProbe": {"httpGet": {"path": "/alive", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 15},
    "readinessProbe": {"exec": {"command": "ready"}},
    "resources": {"cpus": 0.05, "memory_mib": 64},
}


def made(document=ROUTING, place=PLACE, settings=SETTINGS, index=0):
    return deployment(place, unfold(document)[index], {"RICITY_RIC": "ricity-ric:50051"}, settings)


def container_of(manifest):
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("version", ["1.27", "1.37"])
@pytest.mark.parametrize("document", [ROUTING, FULL], ids=["module", "container"])
def test_kubernetes_knows_every_field(document, version):
    kubernetes_validate.validate(made(document), version, strict=True)


def test_it_is_found_by_xapp_version_and_configuration():
    manifest = made(FULL)
    labels = manifest["metadata"]["labels"]
    assert labels["ricity.xapp"] == "a"
    assert labels["ricity.version"] == "1.2.3_build.7"
    assert labels["ricity.generation"] == "3"
    assert manifest["metadata"]["annotations"]["ricity.version"] == "1.2.3+build.7"
    assert json.loads(manifest["metadata"]["annotations"]["ricity.settings"]) == SETTINGS
    template = manifest["spec"]["template"]
    assert manifest["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_probes_image_command_and_limits_are_the_descriptors():
    container = container_of(made(FULL))
    assert container["image"] == "localhost:5000/x/a:1"
    assert container["args"] == ["run", "it"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/alive", "port": 8080}
    assert container["livenessProbe"]["periodSeconds"] == 15
    assert container["startupProbe"]["periodSeconds"] == 2
    assert container["readinessProbe"]["exec"] == {"command": ["ready"]}
    assert container["resources"] == {
        "limits": {"cpu": "50m", "memory": "64Mi"},
        "requests": {"cpu": "50m", "memory": "64Mi"},
    }


@pytest.mark.parametrize(("certificates", "has_identity"), [("ricity-tls-{xapp}", True), ("", False)])
def test_the_certificate_of_this_xapp_is_mounted_if_there_is_one(certificates, has_identity):
    spec = made(place=KubernetesPlace("city", "ricity", "i", certificates))["spec"]["template"]["spec"]
    secrets = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
    assert secrets == ["ricity-tls-routing-ar"] * has_identity
    told = {each["name"] for each in spec["containers"][0]["env"]}
    assert ("RICITY_TLS_DIR" in told) == has_identity


def test_the_same_again_has_the_same_name_and_anything_else_another():
    name = deployment_name(PLACE, "a", "1.0.0", {"A": "1", "B": "2"})
    assert deployment_name(PLACE, "a", "1.0.0", {"B": "2", "A": "1"}) == name
    others = {
        deployment_name(PLACE, "b", "1.0.0", {"A": "1", "B": "2"}),
        deployment_name(PLACE, "a", "1.0.1", {"A": "1", "B": "2"}),
        deployment_name(PLACE, "a", "1.0.0", {"A": "1", "B": "3"}),
    }
    assert len(others | {name}) == 4
    longest = deployment_name(KubernetesPlace("n", "r" * 53, "i"), "x" * 64, "1.0.0", {})
    assert len(longest) + len("-0123456789-01234") <= 63


def _managers(values):
    """Place and chart's objects of the same values."""
    objects = render(values)
    told = environment(pods(objects)["manager"])
    pod = json.loads(told["RICITY_KUBERNETES_POD"])
    place = KubernetesPlace(
        told["RICITY_KUBERNETES_NAMESPACE"],
        told["RICITY_KUBERNETES_RELEASE"],
        told["RICITY_KUBERNETES_IMAGE"],
        told["RICITY_KUBERNETES_CERTIFICATES"],
        told["RICITY_KUBERNETES_OWNER"],
        pod["spec"],
        pod["labels"],
        pod["annotations"],
    )
    return place, objects


@pytest.mark.parametrize("values", ["default", "insecure", "everything"])
def test_the_manager_starts_an_xapp_as_the_chart_does(values):
    place, objects = _managers(VALUE_SETS[values])
    mine, theirs = made(place=place), of_kind(objects, "Deployment")["routing-ar"]
    own, charts = mine["spec"]["template"]["spec"], theirs["spec"]["template"]["spec"]
    for key in charts.keys() - {"containers", "volumes"}:
        assert own[key] == charts[key], key
    assert sorted(own["volumes"], key=str) == sorted(charts["volumes"], key=str)
    (container,) = charts["containers"]
    for key in ("image", "args", "ports", "securityContext", "volumeMounts", "livenessProbe", "readinessProbe", "startupProbe"):
        assert container_of(mine)[key] == container[key], key
    shared = {"RICITY_HOST", "RICITY_STATUS_PORT", "RICITY_RIC", "RICITY_TLS_DIR", "RICITY_SERVICE"}
    own_env, charts_env = (
        {each["name"]: each.get("value", each.get("valueFrom")) for each in one["env"]} for one in (container_of(mine), container)
    )
    assert {key: own_env.get(key) for key in shared} == {key: charts_env.get(key) for key in shared}
    assert own_env["RICITY_INSTANCE_ID"] == charts_env["RICITY_INSTANCE_ID"]
    same = {"ricity/tier", "ricity.xapp", "ricity.version", "app.kubernetes.io/component", "app.kubernetes.io/instance"}
    for key in same:
        assert mine["metadata"]["labels"][key] == theirs["metadata"]["labels"][key], key
    kubernetes_validate.validate(mine, "1.27", strict=True)


def test_the_services_and_policies_of_the_chart_find_the_managers_pods_too_but_its_deployments_do_not():
    place, objects = _managers({})
    mine = made(place=place)
    labels = mine["spec"]["template"]["metadata"]["labels"]
    charts = of_kind(objects, "Deployment")["routing-ar"]
    assert not charts["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert not mine["spec"]["selector"]["matchLabels"].items() <= charts["spec"]["template"]["metadata"]["labels"].items()
    for kind in ("Service", "NetworkPolicy"):
        spec = of_kind(objects, kind)["routing-ar"]["spec"]
        wanted = spec["selector"] if kind == "Service" else spec["podSelector"]["matchLabels"]
        assert wanted.items() <= labels.items(), kind
    assert place.owner in {each["metadata"]["name"] for each in of_kind(objects, "Deployment").values()}


def test_the_charts_variables_are_settings_of_the_manager(monkeypatch):
    for key, value in environment(pods(render(VALUE_SETS["everything"]))["manager"]).items():
        monkeypatch.setenv(key, value)
    settings = load_settings(ManagerSettings)
    assert settings.driver == "kubernetes"
    assert settings.kubernetes_pod.spec["nodeSelector"] == {"disk": "fast"}
    monkeypatch.setenv("RICITY_KUBERNETES_POD", '{"speck": {}}')
    with pytest.raises(InvalidInput, match="RICITY_KUBERNETES_POD_SPECK"):
        load_settings(ManagerSettings)
