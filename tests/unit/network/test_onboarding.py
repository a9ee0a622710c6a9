"""A seventh service joins the city: it is routed, and the six others notice nothing but its load."""

import dataclasses
import json

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, MalformedFile, UnknownKey
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.calibration import day_statistics
from ric_sim.network.city import City
from ric_sim.network.city_checks import check_city
from ric_sim.network.city_file import city_to_json, load_city, save_city
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations, new_vertex_features
from ric_sim.network.episodes.space import episode_arrays, vertex_graph
from ric_sim.network.montreal import build_city
from ric_sim.network.onboarding import ONBOARDED, catalogue
from ric_sim.network.policies import POLICIES, make_policy
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import COLUMNS, Day

SURGERY = 6


@pytest.fixture(scope="module")
def seven() -> City:
    return build_city("paper-7")


@pytest.fixture(scope="module")
def seven_day() -> Day:
    return load_scenario(profile="paper-7", day="test").day


def test_only_the_catalogue_differs(city: City, seven: City) -> None:
    for field in dataclasses.fields(City):
        if field.name not in ("profile", "services", "fingerprint"):
            assert np.array_equal(getattr(city, field.name), getattr(seven, field.name)), field.name
    assert seven.services[:SURGERY] == city.services
    assert seven.services[SURGERY].key == "surgery"
    assert seven.fingerprint != city.fingerprint
    check_city(seven)


def test_the_flows_of_the_six_are_the_same_to_the_last_byte(seven_day: Day, paper_test_day: Day) -> None:
    six = seven_day.service != SURGERY
    for column in COLUMNS:
        assert np.array_equal(getattr(seven_day, column)[six], getattr(paper_test_day, column)), column


def test_the_seventh_has_its_own_demand(seven: City, seven_day: Day) -> None:
    surgery = day_statistics(seven, seven_day).services[SURGERY]
    assert surgery.flows == 1000
    assert surgery.offered_kbps == pytest.approx(150_000, rel=1e-3)
    assert surgery.reference_processing_us < seven.services[SURGERY].latency_budget_us / 2
    of = seven_day.service == SURGERY
    assert set(seven_day.direction[of].tolist()) == {0, 1}
    down = of & (seven_day.direction == Direction.DOWNLINK)
    assert set(seven_day.upf[down].tolist()) == {seven.node_names.index("upf-industry-0")}
    assert (seven_day.upf[of & ~down] == ANY_UPF).all()


def _flow(service: int, upf: int = ANY_UPF) -> FlowRequest:
    direction = Direction.UPLINK if upf == ANY_UPF else Direction.DOWNLINK
    return FlowRequest("x", service, direction, 100, upf, 20_000, 2, arrival_ms=0, holding_ms=1000)


@pytest.mark.parametrize("name", [name for name, factory in POLICIES.items() if "weights" not in factory.defaults])
def test_every_heuristic_routes_it_to_the_upf_it_shares(seven: City, name: str) -> None:
    upf = seven.node_names.index("upf-industry-0")
    policy, idle = make_policy(name, seven), np.zeros(seven.n_resources, np.uint32)
    up, down = (policy.plan(idle, _flow(SURGERY, end)) for end in (ANY_UPF, upf))
    if name != "random":
        assert up.accepted
        assert down.accepted
    if up.accepted:
        assert seven.link_dst[up.links[-1]] == upf
    if down.accepted:
        assert seven.link_src[down.links[0]] == upf


def test_a_upf_of_somebody_else_is_refused(seven: City) -> None:
    with pytest.raises(InvalidInput, match="is no UPF of surgery"):
        make_policy("cspf", seven).plan(
            np.zeros(seven.n_resources, np.uint32), _flow(SURGERY, seven.node_names.index("upf-voip-0"))
        )


def _seen(city: City, used: np.ndarray, flow: FlowRequest) -> tuple[np.ndarray, ...]:
    arrays = episode_arrays(city)
    episodes, observations, vertices = new_episodes(arrays, 1), new_observations(arrays, 1), new_vertex_features(arrays, 1)
    episodes.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
    episodes.used[0] = used
    assert kernels.begin(arrays, episodes, 0, False) == kernels.GOING
    limits = (np.full((3, len(city.services)), -1, np.int64), False)
    assert kernels.observe(arrays, episodes, 0, limits, observations, 0) == kernels.GOING
    kernels.vertex_features(arrays, episodes, 0, vertices[0])
    return (*observations, vertices)


@pytest.mark.parametrize("service", range(6))
def test_what_the_policies_of_the_six_see_is_the_same_to_the_last_bit(city: City, seven: City, service: int) -> None:
    used = np.random.default_rng(service).integers(0, np.maximum(city.limits // 3, 1)).astype(np.uint32)
    spec = city.services[service]
    upf = ANY_UPF if spec.directions[0] == Direction.UPLINK else int(city.upfs_of(service)[0])
    flow = dataclasses.replace(_flow(service, upf), bandwidth_kbps=spec.mean_bandwidth_kbps)
    for before, after in zip(_seen(city, used, flow), _seen(seven, used, flow), strict=True):
        assert np.array_equal(before, after)
    for before, after in zip(vertex_graph(city), vertex_graph(seven), strict=True):
        assert np.array_equal(before, after)


def test_episodes_of_its_own_agent_reach_the_shared_upf(seven: City) -> None:
    mask, *_ = _seen(seven, np.zeros(seven.n_resources, np.uint32), _flow(SURGERY))
    assert mask[0].any()


def test_a_city_file_carries_the_seventh_service(seven: City, seven_day: Day, tmp_path) -> None:
    save_city(seven, tmp_path / "seven.json")
    assert load_city(tmp_path / "seven.json").fingerprint == seven.fingerprint
    scenario = load_scenario(profile="paper", day="test", city_file=tmp_path / "seven.json")
    assert scenario.day.digest == seven_day.digest


@pytest.mark.parametrize("owner", ["nobody", "surgery"])
def test_sharing_with_nobody_is_refused(seven: City, tmp_path, owner: str) -> None:
    document = json.loads(city_to_json(seven))
    document["services"][SURGERY]["shares_upfs_of"] = owner
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(MalformedFile, match="expected another service of the city that has UPFs of its own"):
        load_city(tmp_path / "bad.json")


def test_only_known_services_can_be_onboarded() -> None:
    assert [spec.key for spec in catalogue(list(ONBOARDED))][:6] == [spec.key for spec in catalogue()]
    with pytest.raises(UnknownKey, match="did you mean 'surgery'"):
        catalogue(["surgry"])
