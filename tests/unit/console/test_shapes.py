import base64
import json

import numpy as np
import pytest

from ric_sim.domain.errors import PartUnreachable
from ric_sim.e2.codec import amounts_to_bytes
from ric_sim.network.montreal import build_city
from ricity.e2.v1 import common_pb2
from ricity.store.v1 import store_pb2
from services.console.city_shape import BUSIEST, city_document, flows_section, load_section, log_section
from services.console.exposition import Samples
from services.console.manager_feeds import MOST_POINTS, MOST_ROWS, list_section, thinned
from services.console.slicing_shape import critic_section, radio_section, slicing_points
from services.console.traffic_shape import ric_section, services_section, traffic_points

CITY = build_city("paper")


def snapshot(**used: int) -> common_pb2.StoreSnapshot:
    amounts = np.zeros(CITY.n_resources, dtype=np.uint32)
    for resource, amount in used.items():
        amounts[int(resource.removeprefix("r"))] = amount
    return common_pb2.StoreSnapshot(version=7, now_ms=90_000, used=amounts_to_bytes(amounts))


def test_the_city_document_holds_every_link_in_exactly_one_line():
    document = json.loads(json.dumps(city_document(CITY)))
    assert len(document["nodes"]) == CITY.n_nodes
    links = sorted(link for line in document["lines"] for link in line[2:] if link >= 0)
    assert links == list(range(CITY.n_links))
    for source, target, there, back in document["lines"]:
        assert (document["links"]["src"][there], document["links"]["dst"][there]) == (source, target)
        assert (document["links"]["src"][back], document["links"]["dst"][back]) == (target, source)
    assert {each["key"] for each in document["services"]} == {spec.key for spec in CITY.services}


def test_load_is_a_byte_of_percent_per_resource():
    capacity = int(CITY.link_capacity_kbps[5])
    host = int(np.flatnonzero(CITY.compute_limit_ucores)[-1])
    limit = int(CITY.compute_limit_ucores[host])
    section = load_section(CITY, snapshot(r5=capacity // 2, **{f"r{CITY.n_links + host}": limit, "r9": 1}))
    links, nodes = base64.b64decode(section["links"]), base64.b64decode(section["nodes"])
    assert (len(links), len(nodes)) == (CITY.n_links, CITY.n_nodes)
    assert (links[5], links[9], links[0], nodes[host]) == (50, 1, 0, 100)
    assert section["busiest_links"][0] == [5, 0.5]
    assert section["busiest_hosts"] == [[host, 1.0]]
    assert section["link_max_ratio"] == 0.5
    assert section["host_max_ratio"] == 1.0
    assert len(load_section(CITY, snapshot(**{f"r{index}": 1000 for index in range(40)}))["busiest_links"]) == BUSIEST


def test_flows_are_commits_with_a_route_and_the_log_is_newest_first():
    commit = store_pb2.ChangeRecord(
        version=2, kind=store_pb2.CHANGE_KIND_COMMIT, flow_id="f1", service=3, latency_us=4200,
        resources=[1, 2], amounts=[9600, 100], route=[1, 2],
    )  # fmt: skip
    release = store_pb2.ChangeRecord(version=3, kind=store_pb2.CHANGE_KIND_RELEASE, flow_id="f0", service=1)
    (flow,) = flows_section([commit, release])["flows"]
    assert flow == {"id": "f1", "service": 3, "version": 2, "kbps": 9600, "latency_ms": 4.2, "links": [1, 2]}
    records = log_section([commit, release])["records"]
    assert [(record["version"], record["kind"]) for record in records] == [(3, "release"), (2, "commit")]


NODES = {
    'ricity_nodes_active_flows{service="ar"}': 12.0,
    'ricity_nodes_active_flows{service="iot"}': 0.0,
    'ricity_nodes_answers_total{service="ar",outcome="accepted"}': 30.0,
    'ricity_nodes_answers_total{service="ar",outcome="rejected"}': 10.0,
    'ricity_nodes_requests_total{service="ar"}': 45.0,
    'ricity_nodes_flow_latency_seconds_bucket{service="ar",le="0.01"}': 30.0,
    'ricity_nodes_flow_latency_seconds_bucket{service="ar",le="+Inf"}': 30.0,
    "ricity_nodes_outstanding_requests": 5.0,
}


def test_services_have_a_grade_of_service_in_all_and_of_late():
    answers, requests = 'ricity_nodes_answers_total{service="ar",outcome="accepted"}', 'ricity_nodes_requests_total{service="ar"}'
    rise = Samples({answers: 4.0, requests: 5.0})
    section = services_section(Samples(NODES), rise, 10.0)
    ar = section["services"]["ar"]
    assert (ar["gos_ratio"], ar["recent_gos_ratio"], ar["requests_per_s"], ar["active_flows"]) == (0.75, 1.0, 0.5, 12.0)
    assert ar["latency_ms"]["p50"] == pytest.approx(5.0)
    assert section["services"]["iot"]["gos_ratio"] is None
    points = traffic_points(section)
    assert points["gos/ar"] == 1.0
    assert "gos/iot" not in points
    json.dumps(section, allow_nan=False)


def test_before_the_second_reading_there_are_no_rates():
    section = services_section(Samples(NODES), Samples({}), 0.0)
    assert section["requests_per_s"] == 0.0
    assert section["recent_gos_ratio"] is None
    assert ric_section(Samples({}), Samples({}), 0.0)["decision_ms"] == {"p50": None, "p99": None}


def test_shares_are_blocks_a_frame_of_the_frames_the_unit_played():
    now = Samples({'ricity_radio_reward{du="du_0"}': 1.5, 'ricity_radio_reward{du="du_1"}': 0.5, "ricity_radio_rule_reward": 0.9})
    rise = Samples(
        {
            "ricity_radio_frames_total": 100.0,
            'ricity_radio_controls_total{du="du_0",result="applied"}': 90.0,
            'ricity_radio_controls_total{du="du_0",result="missing"}': 10.0,
            'ricity_radio_controls_total{du="du_0",result="late"}': 50.0,
            'ricity_radio_quota_rbs_total{du="du_0",slice="embb"}': 4000.0,
            'ricity_radio_used_rbs_total{du="du_0",slice="embb"}': 1000.0,
            'ricity_radio_satisfied_frames_total{du="du_0",slice="urllc"}': 95.0,
        }
    )
    section = radio_section(now, rise, 5.0)
    du = section["dus"]["du_0"]
    assert (du["quota_rbs"], du["used_rbs"], du["satisfied_ratio"]) == ([40.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 0.0, 0.95])
    assert section["dus"]["du_1"]["quota_rbs"] == [0.0, 0.0, 0.0]
    assert (section["frames_per_s"], section["reward"], section["rule_reward"]) == (20.0, 1.0, 0.9)
    assert slicing_points(section) == {"reward/du_0": 1.5, "reward/du_1": 0.5, "reward": 1.0, "rule_reward": 0.9}


def test_the_critic_says_who_is_under_sam():
    now = Samples(
        {
            'ricity_critic_under_sam_ratio{du="du_0"}': 1.0,
            'ricity_critic_under_sam_ratio{du="du_1"}': 0.0,
            'ricity_critic_actor_rho{du="du_0"}': 0.05,
        }
    )
    actors = critic_section(now, Samples({}), 0.0)["actors"]
    assert [actor["under_sam"] for actor in actors.values()] == [True, False]
    assert (actors["du_0"]["rho"], actors["du_1"]["rho"]) == (0.05, None)


def test_a_list_of_the_manager_is_cut_to_its_newest_rows():
    rows = [{"id": index, "started_at": float(index)} for index in range(MOST_ROWS + 3)]
    section = list_section({"rollouts": rows, "counts": {"direct": 1}}, "rollouts")
    assert (section["rollouts"][0]["id"], section["rollouts"][-1]["id"]) == (MOST_ROWS + 2, 3)
    assert section["total"] == MOST_ROWS + 3
    assert section["counts"] == {"direct": 1}
    unordered = [{"name": "b"}, {"name": "a"}]
    assert list_section({"xapps": unordered}, "xapps")["xapps"] == unordered


def test_a_long_series_is_thinned_and_keeps_its_ends():
    points = [{"n": n} for n in range(1000)]
    series = thinned({"id": "x", "series": points})["series"]
    assert len(series) <= MOST_POINTS + 1
    assert (series[0], series[-1]) == ({"n": 0}, {"n": 999})
    assert thinned({"series": points[:5]})["series"] == points[:5]


def test_a_manager_without_the_interface_is_told_from_one_that_answers_nonsense():
    assert list_section(None, "ab") == {"connected": True, "offered": False, "ab": []}
    for nonsense in ([], {"other": []}, {"ab": {}}, "text"):
        with pytest.raises(PartUnreachable, match="list 'ab'"):
            list_section(nonsense, "ab")
