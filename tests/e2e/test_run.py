"""`ricity run` as a user starts it: one command, one object, no process left behind."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from ric_sim.envs.evaluate import evaluate
from ric_sim.network.scenario import load_scenario
from ric_sim.store.embedded import EmbeddedServer
from tests.e2e.conftest import BUSY_REQUESTS
from tests.e2e.live_run import ricity, run_ricity

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PROMISED = {
    "what was played": ["profile", "day", "policy", "seed", "in_flight", "replans", "speed", "out"],
    "of which code": ["config_hash", "git_commit", "versions"],
    "what came of it": [
        "requests",
        "accepted",
        "gos",
        "gos_by_service",
        "latency_ms_by_service",
        "rejects_by_cause",
        "defaulted",
    ],
    "how fast": ["decision_ms", "decisions_per_s", "wall_s", "start_up_s", "memory_mb_peak"],
    "in the store": ["commits", "aborts_by_cause", "audit"],
    "faults": ["redelivered", "answered_twice", "forgotten", "heal_s", "restarts"],
}


def test_a_short_day(live):
    run = live("--profile", "smoke")
    code, summary = run.finish()
    assert code == 0, run.said
    assert {name for names in PROMISED.values() for name in names} <= set(summary)
    assert summary["requests"] == 400
    assert 0.5 < summary["gos"] <= 1
    assert summary["commits"]["ok"] == summary["accepted"]
    assert summary["audit"]["ok"]
    assert summary["restarts"] == {}
    assert summary["killed_at_stop"] == []
    assert 100 < summary["memory_mb_peak"] < 2000
    assert json.loads((run.out / "summary.json").read_text()) == summary
    assert len(list((run.out / "plots").glob("*.png"))) == 5
    logs = {path.stem for path in (run.out / "logs").glob("*.jsonl")}
    assert {"ric", "nodes", "routing-ar", "routing-voip"} <= logs
    assert len(run.seen_pids) >= 9


def test_one_request_at_a_time_is_the_in_process_day(live, tmp_path):
    """On a server of the user's own, which keeps what was written."""
    scenario = load_scenario(profile="smoke", day="test")
    alone = evaluate(scenario, "specialised")
    with EmbeddedServer(tmp_path / "server") as server:
        run = live("--profile", "smoke", "--in-flight", 1, "--policy", "specialised", "--store", server.url, "--no-plots")
        code, summary = run.finish()
        assert code == 0, run.said
        audited, report, _ = run_ricity("audit", "--store", server.url, "--namespace", run.out.name)
    assert summary["gos_by_service"] == pytest.approx(alone.gos_by_service, abs=1e-6)
    assert summary["latency_ms_by_service"] == pytest.approx(alone.latency_ms_by_service, abs=1e-3)
    assert summary["commits"] == {"ok": alone.commits_ok, "aborted": 0}
    assert audited == 0
    assert report["commits"] == summary["accepted"]


def test_a_kept_deployment_can_be_looked_at(live, tmp_path):
    """From files, at a speed of its own; looked at with every read-only command, then ended with Ctrl-C."""
    files = ("--city", tmp_path / "city.json", "--flows", tmp_path / "day.csv")
    assert run_ricity("city", "export", "--profile", "smoke", *files)[0] == 0
    run = live(*files, "--speed", 600, "--keep", "--no-plots")
    run.until(lambda: run.read("summary.json") != {}, "the summary")
    ric = ("--ric", run.read("deployment.json")["ric"])
    _, nodes, _ = run_ricity("e2", "nodes", *ric)
    assert {node["status"] for node in nodes["nodes"]} == {"connected"}
    assert {node["type"] for node in nodes["nodes"]} >= {"O-DU", "O-CU"}
    _, subscriptions, _ = run_ricity("e2", "subscriptions", *ric)
    assert sorted(key for row in subscriptions["subscriptions"] for key in row["items"]) == [
        "ar", "gaming", "industry", "iot", "video", "voip",
    ]  # fmt: skip
    _, xapps, _ = run_ricity("xapp", "list", *ric)
    assert [row["xapp_name"] for row in xapps["xapps"]] == [
        f"routing-{key}" for key in run.read("summary.json")["gos_by_service"]
    ]
    assert sum(row["answered_total"] for row in xapps["xapps"]) >= 400
    _, catalogue, _ = run_ricity("kpm", "catalogue", *ric)
    name = catalogue["measurements"][0]["name"]
    watching = ricity("kpm", "watch", "-m", name, "--period-ms", 10_000, *ric, "--json")
    with subprocess.Popen(watching, stdout=subprocess.PIPE, text=True) as watch:
        first = json.loads(watch.stdout.readline())
        _, latest, _ = run_ricity("kpm", "latest", "--node", first["ran_name"], *ric)
        watch.send_signal(signal.SIGINT)
    assert {value["name"] for value in first["values"]} == {name}
    assert [report["ran_name"] for report in latest["reports"]] == [first["ran_name"]]
    audited, report, _ = run_ricity("audit", "--run", run.out)
    assert (audited, report["ok"]) == (0, True)
    run.process.send_signal(signal.SIGINT)
    code, summary = run.finish()
    assert code == 0, run.said
    assert summary["speed"] == "600"
    assert Path(summary["out"]) == run.out


def test_ctrl_c_drains_and_leaves_nothing_behind(live, busy_hour):
    city, flows, _ = busy_hour
    run = live("--city", city, "--flows", flows, "--no-plots")
    run.until_settled(300)
    run.process.send_signal(signal.SIGINT)
    code, summary = run.finish()
    assert code == 130, run.said
    assert summary["interrupted"]
    assert 300 <= summary["requests"] < BUSY_REQUESTS
    assert (summary["forgotten"], summary["audit"]["ok"], summary["killed_at_stop"]) == (0, True, [])
    audited, report, _ = run_ricity("audit", "--run", run.out)
    assert (audited, report["commits"]) == (0, summary["commits"]["ok"])


def test_ctrl_c_during_the_start_leaves_nothing_behind(live):
    run = live("--profile", "smoke")
    run.until(lambda: "ric" in run.pids(), "a RIC process")
    run.process.send_signal(signal.SIGINT)
    code, summary = run.finish()
    assert (code, summary) == (130, None)


def test_a_killed_launcher_leaves_nothing_behind(live, busy_hour):
    city, flows, _ = busy_hour
    run = live("--city", city, "--flows", flows)
    run.until_settled(300)
    os.kill(run.pids()["launcher"], signal.SIGKILL)
    run.process.wait()
    run.gone()
    audited, report, _ = run_ricity("audit", "--run", run.out)
    assert (audited, report["ok"]) == (0, True)


def test_a_tampered_log_is_found(live):
    run = live("--profile", "smoke", "--no-plots", "--max-flows", 100)
    assert run.finish()[0] == 0, run.said
    _, facts = 0, run.read("deployment.json")
    with EmbeddedServer(run.out / "store") as server:
        import redis

        with redis.Redis.from_url(server.url) as raw:
            (key,) = raw.keys("ricity:*:log")
            (last_id, _), *_ = raw.xrevrange(key, count=1)
            raw.xdel(key, last_id)
    code, report, errors = run_ricity("audit", "--run", run.out)
    assert facts["namespace"] == "city"
    assert code == 1
    assert not report["ok"]
    assert "violations; first:" in errors
