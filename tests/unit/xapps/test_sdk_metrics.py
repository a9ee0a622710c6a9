"""The SDK exports every metric declared for xApps, from the start, and no other."""

from prometheus_client import REGISTRY

from ric_sim.telemetry import registry
from xapps.sdk.metrics import XappMetrics


def test_every_declared_xapp_metric_is_there_before_anything_happens():
    XappMetrics("metrics-test", "1.0.0")
    exported = {
        sample.name for family in REGISTRY.collect() for sample in family.samples if sample.labels.get("xapp") == "metrics-test"
    }
    for spec in registry().values():
        if spec.component == "xapp":
            assert spec.name in exported or f"{spec.name}_count" in exported, spec.name
    assert all(name.startswith("ricity_xapp_") for name in exported)
