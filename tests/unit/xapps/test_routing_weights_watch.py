"""The watch over a weight file: swaps for what is sound and new, keeps what it has otherwise."""

import os
import threading
import time
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from ric_sim.domain.errors import WeightsMissing
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.episodes.space import FEATURE_VERSION
from ric_sim.network.policies.learned import load_weights, save_weights
from tests.unit.network.policies.cities import diamond, idle, uplink
from tests.untrained import untrained_weights
from xapps.routing import weights_watch
from xapps.routing.agent import RoutingAgent
from xapps.routing.main import compose, watch_weights
from xapps.routing.settings import RoutingSettings


@pytest.fixture
def serving(tmp_path, request):
    """An agent for IoT in a small city, a watch over its weights that is not started, and what the metrics say."""
    city, path = diamond(), tmp_path / "iot.safetensors"
    save_weights(path, untrained_weights("iot", seed=0))
    settings = RoutingSettings(service="iot", policy="learned", weights=tmp_path)
    agent = RoutingAgent(city, policy=settings.policy, seed=0, parameters=settings.policy_parameters)
    xapp = f"routing-{request.node.name}"
    watch = watch_weights(settings, city, agent, xapp=xapp)

    def swaps(outcome):
        return REGISTRY.get_sample_value("ricity_routing_weight_swaps_total", {"xapp": xapp, "outcome": outcome})

    def shown():
        samples = [
            sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == "ricity_routing_weights_info"
        ]
        return [sample.labels["sha256"] for sample in samples if sample.labels["xapp"] == xapp]

    yield SimpleNamespace(city=city, path=path, agent=agent, watch=watch, swaps=swaps, shown=shown)
    watch.stop()


def _in_use(serving):
    return serving.agent.policy.weights["iot"].sha256


def test_the_weights_it_has_are_not_swapped_for_themselves(serving):
    before = serving.agent.policy
    assert not serving.watch.look()
    save_weights(serving.path, untrained_weights("iot", seed=0))
    assert not serving.watch.look()
    assert serving.agent.policy is before
    assert (serving.swaps("ok"), serving.swaps("refused")) == (0, 0)
    assert serving.shown() == [_in_use(serving)[:12]]


def test_other_weights_are_put_into_use(serving):
    first, second = _in_use(serving), untrained_weights("iot", seed=1)
    save_weights(serving.path, second)
    assert serving.watch.look()
    assert _in_use(serving) == second.sha256 != first
    assert (serving.swaps("ok"), serving.swaps("refused")) == (1, 0)
    assert serving.shown() == [second.sha256[:12]]
    assert not serving.watch.look()


@pytest.mark.parametrize(
    "replace",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"damaged"),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: save_weights(path, untrained_weights("ar", seed=1)),
        lambda path: save_weights(path, untrained_weights("iot", seed=1, algorithm="sarl")),
        lambda path: save_weights(path, untrained_weights("iot", seed=1, feature_version=FEATURE_VERSION + 1)),
    ],
    ids=["gone", "damaged", "cut", "service", "algorithm", "features"],
)
def test_unusable_weights_are_refused_once_and_the_good_ones_kept(replace, serving):
    before = serving.agent.policy
    replace(serving.path)
    assert not serving.watch.look()
    assert not serving.watch.look()
    assert serving.agent.policy is before
    assert (serving.swaps("ok"), serving.swaps("refused")) == (0, 1)
    assert serving.agent.decide(Snapshot(1, 0, idle(serving.city)), uplink(serving.city)).accepted
    save_weights(serving.path, untrained_weights("iot", seed=2))
    assert serving.watch.look()


def test_a_swap_between_two_decisions_disturbs_neither(serving, monkeypatch):
    """One thread decides without pause while another swaps: every plan is that of the old or of the new weights."""
    monkeypatch.setattr(weights_watch, "PERIOD_S", 0.001)
    used, flow = idle(serving.city), uplink(serving.city)
    snapshot, links = Snapshot(1, 0, used), set()
    contrary = untrained_weights("iot", seed=0)
    contrary.tensors["direct.weight"][0, 0] = 3.0
    versions = [load_weights(serving.path, algorithm="amarl", service="iot"), contrary]
    expected = set()
    for weights in (*versions, versions[0]):
        save_weights(serving.path, weights)
        serving.watch.look()
        expected.add(serving.agent.decide(snapshot, flow).links)
    assert len(expected) == 2
    serving.watch.start()
    swapped = serving.swaps("ok")
    for weights in versions[::-1] * 5:
        save_weights(serving.path, weights)
        deadline_s = time.monotonic() + 30
        while _in_use(serving) != weights.sha256:
            links.add(serving.agent.decide(snapshot, flow).links)
            assert time.monotonic() < deadline_s
        links.add(serving.agent.decide(snapshot, flow).links)
    serving.watch.stop()  # it counts after it swaps
    assert links == expected
    assert serving.swaps("ok") == swapped + 10
    assert serving.swaps("refused") == 0


def test_an_agent_for_another_city_ends_the_watch_before(tmp_path):
    save_weights(tmp_path / "iot.safetensors", untrained_weights("iot", seed=0))
    _, agents = compose(RoutingSettings(service="iot", policy="learned", weights=tmp_path))
    before = set(threading.enumerate())
    for _ in range(3):
        agents.inserts(diamond())
        assert [thread.name for thread in set(threading.enumerate()) - before] == ["weights-watch"]


def test_an_agent_without_its_weights_says_so(tmp_path):
    _, agents = compose(RoutingSettings(service="iot", policy="amarl", weights=tmp_path))
    with pytest.raises(WeightsMissing, match=r"iot\.safetensors"):
        agents.inserts(diamond())


def test_settings_of_weights(tmp_path):
    assert RoutingSettings(service="iot", weights="").weights is None
    settings = RoutingSettings(service="iot", policy="sarl", weights=str(tmp_path))
    assert (settings.algorithm, settings.policy_parameters) == ("sarl", {"weights": tmp_path, "services": ("iot",)})
    assert RoutingSettings(service="iot", policy="cspf").policy_parameters == {}
    with pytest.raises(ValidationError, match="policy cspf has no weights"):
        RoutingSettings(service="iot", policy="cspf", weights=tmp_path)
