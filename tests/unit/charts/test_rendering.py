"""charts/ricity: lints, renders and fits Kubernetes' schemas for every value set, and refuses values that cannot be."""

from __future__ import annotations

from collections import defaultdict

import kubernetes_validate
import pytest
from helm_python.chart import Chart, lint
from helm_python.errors import HelmRenderError, HelmValuesError

from tests.unit.charts.rendering import CHART, VALUE_SETS, of_kind, pods, render

OLDEST, NEWEST = "1.27", "1.37"
CUSTOM = {"ServiceMonitor": "monitoring.coreos.com/v1", "PrometheusRule": "monitoring.coreos.com/v1", "RayJob": "ray.io/v1"}
"""Kinds whose schemas come with their operators, not with Kubernetes."""

every_set = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS)


@every_set
def test_helm_finds_nothing_to_object_to(values):
    report = lint(CHART, values, strict=True)
    assert not report["errors"]
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@every_set
def test_every_object_is_one_that_kubernetes_knows(values):
    _check(render(values), NEWEST)


def test_the_oldest_cluster_that_is_allowed_knows_them_too():
    with Chart.load(CHART) as chart:
        assert chart.metadata["kubeVersion"] == f">={OLDEST}.0-0"
    _check(render(VALUE_SETS["everything"]), OLDEST)


def _check(objects, version):
    """A list per kind, because each call reads the schemas again; a list's items are checked one by one all the same."""
    by_kind = defaultdict(list)
    for each in objects:
        if each["kind"] in CUSTOM:
            assert each["apiVersion"] == CUSTOM[each["kind"]]
        else:
            by_kind[each["apiVersion"], each["kind"]].append(each)
    by_kind["v1", "Pod"] = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in pods(objects).values()]
    for (api_version, kind), items in by_kind.items():
        listed = {"apiVersion": api_version, "kind": f"{kind}List", "metadata": {}, "items": items}
        kubernetes_validate.validate(listed, version, strict=True)


def test_the_schemas_tell_a_misspelt_field_in_a_list():
    objects = ({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"port": []}},)
    with pytest.raises(kubernetes_validate.ValidationError, match="'port' was unexpected"):
        _check(objects, NEWEST)


@every_set
def test_names_are_unique_and_fit_the_cluster(values):
    names = [(each["kind"], each["metadata"]["name"]) for each in render(values)]
    assert len(set(names)) == len(names)
    assert max(len(name) for _, name in names) <= 63


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"citty": {}}, "citty"),
        ({"city": {"dus": 11}}, "dus"),
        ({"city": {"dus": 1}}, "dus"),
        ({"city": {"profile": "paperr"}}, "profile"),
        ({"city": {"speed": "fast"}}, "speed"),
        ({"store": {"url": "http://db"}}, "url"),
        ({"store": {"url": "redis://a:1,b:1/0"}}, "url"),
        ({"store": {"url": "redis+sentinel://a:26379"}}, "url"),
        ({"store": {"url": "redis+sentinel://:secret@a:26379/city"}}, "url"),
        ({"store": {"url": "redis+cluster://a:7000/0"}}, "url"),
        ({"store": {"url": "redis://:secret@db:6379/0"}}, "url"),
        ({"parts": {"ric": {"replicas": 2}}}, "replicas"),
        ({"parts": {"rick": {}}}, "rick"),
        ({"parts": {"ric": {"env": {"LD_PRELOAD": "x"}}}}, "LD_PRELOAD"),
        ({"parts": {"ric": {"env": {"RICITY_PREEMPTION": True}}}}, "RICITY_PREEMPTION"),
        ({"xapps": {"critic": {"replicas": 2}}}, "replicas"),
        ({"defaults": {"runAsUser": 0}}, "runAsUser"),
        ({"defaults": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
        ({"networkPolicies": {"clients": [{}]}}, "clients"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(values, wrong):
    with Chart.load(CHART) as chart, pytest.raises(HelmValuesError, match=wrong):
        chart.validate_schema(chart.merge_values(values))


def test_grafana_without_prometheus_says_what_to_do():
    with Chart.load(CHART) as chart, pytest.raises(HelmRenderError, match="enable both"):
        chart.render({"monitoring": {"grafana": {"enabled": True}}}, name="r", namespace="n")


def test_every_value_is_described_by_the_schema_and_every_key_of_the_schema_has_a_default():
    with Chart.load(CHART) as chart:
        described = {key for key in chart.schema["properties"] if key != "global"}
        assert set(chart.values) == described
        for key in described:
            inner = chart.schema["properties"][key].get("properties", {})
            assert set(inner) <= set(chart.values[key]), key


def test_a_packaged_chart_renders_the_same(tmp_path):
    with Chart.load(CHART) as chart:
        archive = chart.save(tmp_path)
        rendered = chart.render({}, name="r", namespace="n")
    with Chart.load(archive) as packed:
        assert packed.render({}, name="r", namespace="n") == rendered
        assert all(each["data"] for each in packed.files)


def test_two_releases_in_one_namespace_share_no_name():
    with Chart.load(CHART) as chart:
        one, other = ("".join(chart.render({}, name=name, namespace="n").values()) for name in ("north", "south"))
    assert "north-ricity-ric" in one
    assert "north" not in other


def test_ray_cluster_and_training_are_off_unless_asked_for():
    assert not of_kind(render(), "RayJob")
    (job,) = of_kind(render(VALUE_SETS["kuberay"]), "RayJob").values()
    assert job["spec"]["entrypoint"].startswith("ricity train routing --backend ray ")
    assert job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert "workerGroupSpecs" not in of_kind(render(VALUE_SETS["everything"]), "RayJob")["trainer"]["spec"]["rayClusterSpec"]
