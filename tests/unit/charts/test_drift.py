"""Chart, docker-compose.yml, the descriptors of the xApps and the settings of the processes tell the same story."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml

from services.common.roster import platform, xapps_of
from services.common.settings import ProcessSettings
from tests.unit.charts.rendering import CHART, COMPOSE, ROOT, VALUE_SETS, environment, of_kind, pods, render
from xapps.sdk.descriptor import find_descriptors

DEFAULT = pods(render({"monitoring": {"prometheus": {"enabled": True}, "grafana": {"enabled": True}}}))
PLAIN = pods(render(VALUE_SETS["insecure"]))
OURS = {name: pod for name, pod in DEFAULT.items() if name not in ("store", "prometheus", "grafana", "cli")}
OVERRIDE = yaml.safe_load((ROOT / "docker-compose.override.yml").read_text())["services"]
COMPOSED = {name: part for name, part in COMPOSE["services"].items() if name in OURS}
ELSEWHERE = {"trainer"}
"""Parts of compose that the chart has in another form: a RayJob."""

SECURITY = {"RICITY_TLS_DIR", "RICITY_TOKENS_FILE", "RICITY_INSECURE", "RICITY_REST_TLS"}
SECURITY |= {"RICITY_MANAGER_TOKEN_FILE", "RICITY_REGISTRY_TOKEN_FILE"}
DRIVERS = ("RICITY_DRIVER", "RICITY_DOCKER_", "RICITY_KUBERNETES_", "RICITY_MANAGER_URL")
"""What a manager is told of where it runs xApps."""


def _default(value):
    """A compose value with its variables at their defaults; addresses as the chart names them."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
    return re.sub(r"\b(\w[\w-]*)(?=:(?:50051|50061|50062|6379|8080|8090|9100)\b)", r"ricity-\1", text)


def test_every_part_of_compose_is_in_the_chart():
    assert set(COMPOSE["services"]) - ELSEWHERE <= set(DEFAULT)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_part_is_the_same_process_with_the_same_settings_and_limits(name):
    composed, pod = COMPOSED[name], DEFAULT[name]
    (container,) = pod["spec"]["containers"]
    assert container["args"] == composed["command"]
    wanted = {key: _default(value) for key, value in {**composed["environment"], **OVERRIDE[name]["environment"]}.items()}
    told = environment(pod)
    compared = {key for key in wanted.keys() | told.keys() if key not in SECURITY and not key.startswith(DRIVERS)}
    if name == "console":
        compared -= {"RICITY_MANAGER", "RICITY_REGISTRY_URL", "RICITY_ALLOWED_HOSTS", "RICITY_READ_ONLY"}
    if name == "critic":  # the chart has no token for it: docs/registry.md
        compared -= {"RICITY_REGISTRY", "RICITY_REGISTRY_EVERY_MIN", "RICITY_TOKEN_FILE"}
    assert {key: told.get(key) for key in compared} == {key: wanted.get(key) for key in compared}
    limits = composed["deploy"]["resources"]["limits"]
    assert float(container["resources"]["limits"]["cpu"]) == float(limits["cpus"])
    assert _mebibytes(container["resources"]["limits"]["memory"]) == _mebibytes(limits["memory"])
    image = composed["image"].rpartition(":")[0]
    assert container["image"].rpartition(":")[0] == image


def _mebibytes(amount):
    number, unit = re.fullmatch(r"(\d+)([MG])i?", amount).groups()
    return int(number) * {"M": 1, "G": 1024}[unit]


@pytest.mark.parametrize("name", ["store", "prometheus", "grafana"])
def test_images_of_others_are_those_of_compose(name):
    (container,) = DEFAULT[name]["spec"]["containers"]
    assert container["image"] == COMPOSE["services"][name]["image"]


def test_the_store_keeps_what_it_is_given_as_under_compose():
    (script,) = (" ".join(DEFAULT["store"]["spec"]["containers"][0]["command"][2:]),)
    words = [word or "''" for word in COMPOSE["services"]["store"]["command"][1:]]
    for option, value in zip(words[::2], words[1::2], strict=True):
        assert f"{option} {value}" in script


def test_every_descriptor_is_linked_into_the_chart():
    linked = {path.stem: path.resolve() for path in (CHART / "files" / "xapps").iterdir()}
    assert linked == {name: ROOT / "xapps" / name / "xapp.yaml" for name in find_descriptors()}
    for path in (CHART / "files").rglob("*.*"):
        assert path.is_symlink(), f"{path}: a copy would drift; link to the file itself"


def test_xapps_are_what_their_descriptors_say():
    for descriptor in find_descriptors().values():
        for instance in descriptor.instances():
            (container,) = DEFAULT[instance.xapp_name]["spec"]["containers"]
            assert container["args"] == ["python", "-m", instance.module]
            assert instance.env.items() <= environment(DEFAULT[instance.xapp_name]).items()
            limits = container["resources"]["limits"]
            assert float(limits["cpu"]) == instance.resources.cpus
            assert limits["memory"] == f"{instance.resources.memory_mib}Mi"
            (plain,) = PLAIN[instance.xapp_name]["spec"]["containers"]
            for probe in ("livenessProbe", "startupProbe"):
                assert plain[probe]["httpGet"]["path"] == descriptor.livenessProbe.httpGet.path


def test_more_o_dus_and_fewer_services_are_more_and_fewer_xapps():
    objects = render(VALUE_SETS["ten O-DUs"])
    by_name = pods(objects)
    assert {name for name in by_name if name.startswith("slicing-")} == {f"slicing-du-{du}" for du in range(10)}
    assert {name for name in by_name if name.startswith("routing-")} == {"routing-ar", "routing-voip"}
    assert {environment(by_name[name])["RICITY_DUS"] for name in ("radio", "critic")} == {"10"}


def test_without_a_critic_the_dapps_are_told_so():
    by_name = pods(render({"xapps": {"critic": {"enabled": False}}}))
    assert "critic" not in by_name
    assert environment(by_name["slicing-du-0"])["RICITY_CRITIC"] == ""


@pytest.mark.parametrize("values", [VALUE_SETS["default"], VALUE_SETS["insecure"], VALUE_SETS["everything"]])
def test_a_process_is_told_only_settings_that_it_knows(values):
    for name, pod in pods(render(values)).items():
        if name in OURS:
            known = _settings_of(pod["spec"]["containers"][0]["args"][-1])
            told = {each["name"] for each in pod["spec"]["containers"][0]["env"] if each["name"].startswith("RICITY_")}
            assert told <= known, name


def _settings_of(module):
    """RICITY_* names that a process takes: fields of the settings class in its package."""
    settings = importlib.import_module(f"{module.rpartition('.')[0]}.settings")
    classes = [each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, ProcessSettings)]
    (own,) = [each for each in classes if each.__module__ == settings.__name__]
    return {f"RICITY_{field.upper()}" for field in own.model_fields}


def test_store_prometheus_and_grafana_ask_for_identities_as_under_compose():
    script = " ".join(DEFAULT["store"]["spec"]["containers"][0]["command"][2:])
    told = OVERRIDE["store"]["command"][len(COMPOSE["services"]["store"]["command"]) :]
    for option, value in zip(told[::2], told[1::2], strict=True):
        assert f"{option} {value.replace('/tls/', '/etc/ricity/identity/')}" in script
    maps = of_kind(render(VALUE_SETS["monitoring"]), "ConfigMap")
    web = (ROOT / "charts" / "prometheus" / "web.tls.yml").read_text()
    assert yaml.safe_load(maps["prometheus"]["data"]["web.yml"]) == _in_the_pod(web)
    (composed,) = _in_the_pod((ROOT / "charts" / "grafana" / "datasource.tls.yml").read_text())["datasources"]
    (source,) = yaml.safe_load(maps["grafana"]["data"]["datasources.yml"])["datasources"]
    assert {**source, "url": _default(composed["url"])} == {**composed, "url": _default(composed["url"])}
    jobs = yaml.safe_load(maps["prometheus"]["data"]["prometheus.yml"])["scrape_configs"]
    for job, other in zip(
        jobs, _in_the_pod((ROOT / "charts" / "prometheus" / "prometheus.tls.yml").read_text())["scrape_configs"], strict=True
    ):
        assert (job["scheme"], job["tls_config"]) == (other["scheme"], other["tls_config"])
    asked = environment(DEFAULT["grafana"])
    for key in ("GF_AUTH_ANONYMOUS_ENABLED", "GF_AUTH_ANONYMOUS_HIDE_VERSION", "GF_METRICS_ENABLED"):
        assert asked[key] == OVERRIDE["grafana"]["environment"][key]
    assert "GF_SECURITY_ADMIN_PASSWORD__FILE" in asked


def _in_the_pod(text):
    return yaml.safe_load(text.replace("/tls/", "/etc/ricity/identity/"))


def test_who_has_a_certificate_is_on_the_roster():
    members = [*platform(), *(member for descriptor in find_descriptors().values() for member in xapps_of(descriptor))]
    with_identity = {name for name, pod in DEFAULT.items() if "identity" in {volume["name"] for volume in pod["spec"]["volumes"]}}
    assert with_identity == {member.name for member in members} - ELSEWHERE


def test_dashboard_and_alerts_are_those_of_compose():
    objects = render(VALUE_SETS["monitoring"])
    dashboard = (ROOT / "charts" / "dashboards" / "ricity.json").read_text()
    assert of_kind(objects, "ConfigMap")["dashboards"]["data"]["ricity.json"] == dashboard
    rules = (ROOT / "charts" / "alerts" / "ricity.rules.yml").read_text()
    assert of_kind(objects, "ConfigMap")["prometheus"]["data"]["ricity.rules.yml"] == rules
    assert of_kind(objects, "PrometheusRule")["alerts"]["spec"] == yaml.safe_load(rules)


def test_ray_is_the_one_of_the_trainers_image():
    (job,) = of_kind(render(VALUE_SETS["kuberay"]), "RayJob").values()
    assert f"ray=={job['spec']['rayClusterSpec']['rayVersion']}\n" in (ROOT / "constraints.txt").read_text()
