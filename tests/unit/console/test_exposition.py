import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.console.exposition import CounterWindow, Samples, parse


def exposed(*observations: float) -> Samples:
    registry = CollectorRegistry()
    histogram = Histogram("wait_seconds", "", ["service"], buckets=(0.1, 0.2, 0.4), registry=registry)
    for seconds in observations:
        histogram.labels(service="ar").observe(seconds)
    return Samples(parse(generate_latest(registry).decode()))


def test_what_the_prometheus_client_writes_is_read_back():
    registry = CollectorRegistry()
    answers = Counter("answers", "with a # in its help", ["service", "outcome"], registry=registry)
    answers.labels(service="ar", outcome="accepted").inc(3)
    answers.labels(service="ar", outcome="rejected").inc()
    answers.labels(service='a "quoted", \\ name', outcome="accepted").inc(2)
    Gauge("clock", "", registry=registry).set(float("nan"))
    samples = Samples(parse(generate_latest(registry).decode()))
    assert samples.sum("answers_total") == 6
    assert samples.by("answers_total", "outcome") == {"accepted": 5, "rejected": 1}
    assert samples.by("answers_total", "outcome", service="ar") == {"accepted": 3, "rejected": 1}
    assert len(samples.by("answers_total", "service")) == 2
    assert samples.value("answers_total", service="ar", outcome="rejected") == 1
    assert math.isnan(samples.value("clock"))
    assert samples.value("no_such") is None
    assert samples.sum("no_such") == 0


def test_a_quantile_lies_within_its_bucket():
    samples = exposed(0.05, 0.15, 0.15, 0.3)
    assert samples.quantile("wait_seconds", 0.5, service="ar") == pytest.approx(0.15)
    assert samples.quantile("wait_seconds", 0.25, service="ar") == pytest.approx(0.1)
    assert samples.quantile("wait_seconds", 1.0, service="ar") == pytest.approx(0.4)


def test_a_quantile_beyond_the_last_bound_is_that_bound():
    assert exposed(7.0).quantile("wait_seconds", 0.99) == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["wait_seconds", "no_such"])
def test_there_is_no_quantile_of_nothing(name):
    assert exposed().quantile(name, 0.5) is None


def test_a_window_gives_the_rise_of_its_span():
    window = CounterWindow(10.0)
    for at_s in range(0, 31, 2):
        window.add(at_s, {"hits_total": 5.0 * at_s, "level": float(at_s)})
    assert window.span_s == 10
    assert window.increase().sum("hits_total") == 50
    assert window.increase().value("level") is None


def test_a_new_series_counts_from_nothing():
    window = CounterWindow(10.0)
    window.add(0.0, {"hits_total": 1.0})
    window.add(1.0, {"hits_total": 1.0, 'hits_total{kind="b"}': 4.0})
    assert window.increase().sum("hits_total") == 4


def test_a_restart_begins_the_window_anew():
    window = CounterWindow(10.0)
    window.add(0.0, {"hits_total": 100.0})
    window.add(1.0, {"hits_total": 120.0})
    window.add(2.0, {"hits_total": 3.0})
    assert window.span_s == 0
    assert window.increase().sum("hits_total") == 0
    window.add(3.0, {"hits_total": 8.0})
    assert window.increase().sum("hits_total") == 5
