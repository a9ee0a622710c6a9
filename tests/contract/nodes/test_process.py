"""The node process as an operator sees it: environment in; exit code, files, metrics and logs out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request

import numpy as np
import pytest

from ric_sim.e2.codec import flow_from_proto
from ric_sim.e2.node.ledger import Outcome
from ric_sim.network.montreal import build_city
from tests.contract.nodes.scripted_ric import applied, insert_subscription, rejected, scripted_ric
from tests.harness import eventually, repository, route_on_empty_network

CITY = build_city("paper")
KEYS = [spec.key for spec in CITY.services]


@pytest.fixture
async def ric():
    async with scripted_ric(subscriptions=[insert_subscription(1, KEYS)]) as running:
        yield running


@pytest.fixture
async def start(ric, tmp_path):
    """Starts the process against the scripted RIC; killed at the end of the test if it still runs."""
    processes = []

    async def begin(**variables: object) -> asyncio.subprocess.Process:
        env = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
        env |= {"RICITY_RIC": f"127.0.0.1:{ric.port}", "RICITY_OUT": str(tmp_path), "RICITY_MAX_FLOWS": "500"}
        env |= {"RICITY_READY_FILE": str(tmp_path / "ready.json"), **{name: str(value) for name, value in variables.items()}}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.nodes.main",
            cwd=repository(),
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict], str]:
    """Exit code, log lines and stderr."""
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


def read(path):
    return json.loads(path.read_text())


def carry(request):
    return applied(request, route_on_empty_network(CITY, flow_from_proto(CITY, request)))


async def test_a_day_is_played_to_its_end_and_written_down(ric, start, tmp_path):
    ric.answer = carry
    code, log, err = await ended(await start(RICITY_EXIT_WHEN_DONE="true", RICITY_WAIT_FOR_SERVICES="true"))
    assert (code, err) == (0, "")
    assert {"nodes.starting", "association.set_up", "day.begins", "nodes.drained"} <= {line["event"] for line in log}
    summary, progress = read(tmp_path / "nodes_summary.json"), read(tmp_path / "progress.json")
    assert (summary["requests"], summary["answered"], summary["accepted"], summary["gos"]) == (500, 500, 500, 1.0)
    assert (summary["forgotten"], summary["answered_twice"], summary["late"]) == (0, 0, 0)
    assert set(summary["gos_by_service"]) == set(KEYS)
    assert summary["decision_ms"]["p50"] <= summary["decision_ms"]["p99"]
    assert summary["decided_by"] == {"routing/1.0.0/a": 500}
    assert (progress["settled"], progress["requests"], progress["accepted"], progress["done"]) == (500, 500, 500, True)
    with np.load(tmp_path / "ledger.npz") as ledger:
        assert (ledger["outcome"] == Outcome.APPLIED).all()
        assert (ledger["n_links"] >= 5).all()
        assert (np.diff(ledger["raised_us"]) >= 0).all()
    assert read(tmp_path / "ready.json")["agent_id"] == ric.setups[0].agent_id
    assert ric.batches[-1].now_ms == max(request.arrival_ms + request.holding_ms for request in ric.received)


async def test_sigterm_in_the_middle_of_a_day_leaves_a_whole_ledger(ric, start, tmp_path):
    ric.answer = lambda request: rejected(request) if int(request.flow_id[-6:]) % 2 else None
    process = await start(RICITY_RATE="100", RICITY_TIME_TO_WAIT_MS="60000")
    await eventually(lambda: len(ric.received) >= 20, within_s=30)
    process.send_signal(signal.SIGTERM)
    code, _, err = await ended(process)
    assert (code, err) == (0, "")
    raised = len(ric.received)
    with np.load(tmp_path / "ledger.npz") as ledger:
        outcome = ledger["outcome"]
        assert (ledger["raised_us"] >= 0).sum() == raised
        assert outcome[:raised].tolist() == [Outcome.DEFAULT, Outcome.REJECTED] * (raised // 2) + [Outcome.DEFAULT] * (raised % 2)
        assert not outcome[raised:].any()
    summary = read(tmp_path / "nodes_summary.json")
    assert (summary["requests"], summary["answered"], summary["forgotten"]) == (raised, raised, 0)
    assert summary["by_cause"]["ric_unreachable"] == summary["defaulted_by_node"] == (raised + 1) // 2
    assert sorted(ric.defaulted) == [request.flow_id for request in ric.received[::2]]


async def test_the_nodes_stay_after_the_day_and_export_metrics(ric, start, tmp_path):
    ric.answer = carry
    process = await start(RICITY_STATUS_PORT="0")
    await eventually((tmp_path / "nodes_summary.json").exists, within_s=30)
    port = read(tmp_path / "ready.json")["status_port"]
    base = f"http://127.0.0.1:{port}"
    assert await fetch(f"{base}/ric/v1/health/ready") == "ready\n"
    metrics = await fetch(f"{base}/metrics")
    answered = [line for line in metrics.splitlines() if line.startswith('ricity_nodes_answers_total{outcome="accepted"')]
    assert sum(float(line.split()[-1]) for line in answered) == 500
    assert 'ricity_nodes_gos_ratio{service="voip"} 1.0' in metrics
    assert 'ricity_nodes_active_flows{service="voip"} 0.0' in metrics
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def fetch(url: str) -> str:
    def read_all() -> str:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read().decode()

    return await asyncio.to_thread(read_all)


async def test_a_refused_agent_ends_with_exit_code_2_and_says_why(ric, start, tmp_path):
    ric.accepts = False
    code, _, err = await ended(await start())
    assert code == 2
    assert "not today" in json.loads(err)["error"]
    assert not (tmp_path / "nodes_summary.json").exists()


async def test_settings_that_cannot_be_end_with_exit_code_2(start):
    code, _, err = await ended(await start(RICITY_INFLIGHT=3))
    assert code == 2
    assert "did you mean 'RICITY_IN_FLIGHT'" in json.loads(err)["error"]
