"""The declaration of metrics against its own rules and against the code that uses it."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ric_sim.domain.errors import UnknownKey
from ric_sim.telemetry import counter, declare, gauge, histogram, registry

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("ric_sim", "services", "xapps")
COMPONENTS = {"ric", "xapp", "routing", "nodes", "radio", "slicing", "critic", "console", "manager", "auditor"}
SLICING_UNITS = ("reward", "variance", "rho")
"""Numbers without a unit that are named after what they are."""
UNITS = (
    "seconds",
    "bytes",
    "ratio",
    "requests",
    "commits",
    "flows",
    "nodes",
    "instances",
    "rollouts",
    "tests",
    "subscriptions",
    "violations",
    "attached",
    "info",
    *SLICING_UNITS,
)
UNBOUNDED_LABELS = {"flow", "flow_id", "ue", "ue_id", "instance_id", "node"}
OURS = {name: spec for name, spec in registry().items() if name.startswith("ricity_")}
CREATED = re.compile(r'\b(counter|gauge|histogram)\(\s*"([a-z0-9_]+)"')


def _created_in_code():
    """(kind, name, file) of every metric that the code creates."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for kind, name in CREATED.findall(path.read_text()):
                yield kind, name, path.relative_to(ROOT)


@pytest.mark.parametrize("name", OURS)
def test_a_name_follows_the_convention(name):
    spec = OURS[name]
    assert spec.component in COMPONENTS
    assert name.startswith(f"ricity_{spec.component}_")
    if spec.kind == "counter":
        assert name.endswith("_total")
    else:
        assert name.endswith(UNITS), f"{name} must end in its unit, one of {UNITS}"
    assert not UNBOUNDED_LABELS & set(spec.labels)
    assert spec.meaning.endswith(".")


@pytest.mark.parametrize("name", [name for name, spec in registry().items() if spec.kind == "histogram"])
def test_buckets_rise(name):
    buckets = registry()[name].buckets
    assert len(buckets) >= 8
    assert list(buckets) == sorted(set(buckets))


def test_every_created_metric_is_declared_with_its_kind():
    for kind, name, path in _created_in_code():
        assert name in OURS, f"{path} creates {name}, which registry.yaml does not declare"
        assert OURS[name].kind == kind, f"{path} creates {name} as {kind}"


def test_every_declared_metric_is_created_by_the_code():
    assert set(OURS) == {name for _, name, _ in _created_in_code()}


def test_a_metric_is_created_once_with_what_was_declared():
    made = counter("ricity_ric_answers_total")
    assert counter("ricity_ric_answers_total") is made
    assert made._labelnames == registry()["ricity_ric_answers_total"].labels


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_process_exports_what_it_declares_before_anything_happened(component):
    declare(component)
    exported = dict(re.findall(r"^# TYPE (ricity_\w+) (\w+)$", generate_latest().decode(), flags=re.MULTILINE))
    assert {name: spec.kind for name, spec in OURS.items() if spec.component == component}.items() <= exported.items()


def test_an_undeclared_name_or_another_kind_is_refused():
    with pytest.raises(UnknownKey, match="did you mean 'ricity_ric_answers_total'"):
        counter("ricity_ric_answer_total")
    with pytest.raises(UnknownKey, match="gauge metric"):
        gauge("ricity_ric_answers_total")
    with pytest.raises(UnknownKey, match="histogram metric"):
        histogram("ricity_ric_nodes")
