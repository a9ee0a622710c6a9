"""Our own parts over TLS: xApp runtime, node association, manager and command line, each with its own certificate."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import pytest
import structlog

from ric_sim.domain.errors import CertificateUnusable, RefusedByRic
from ric_sim.e2.node.association import Association
from services.cli.main import main
from services.common.tls import Transport
from services.common.tokens import Role, create_token
from services.manager.composition import running_manager
from services.manager.settings import ManagerSettings
from services.nodes import composition
from services.nodes.settings import NodesSettings
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

LOG = structlog.get_logger()
PATIENCE_S = 20.0


class Silent:
    """Takes requests and decides nothing: what is tested is how it gets there."""

    def __init__(self, _city) -> None: ...

    def decide(self, request, snapshot):
        raise AssertionError("nothing was raised")


def routing_runtime(service: str, ric, tls_dir) -> XappRuntime:
    settings = XappSettings(ric=f"127.0.0.1:{ric.grpc_port}", tls_dir=tls_dir)
    return XappRuntime(settings, find_descriptors()["routing"].instance(service), Agents(inserts=Silent), log=LOG)


@contextlib.asynccontextmanager
async def running(activity):
    task = asyncio.create_task(activity)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_xapp_runtime_attaches_with_its_own_certificate_only(ric, certs):
    runtime = routing_runtime("voip", ric, certs / "routing-voip")
    async with running(runtime.run(asyncio.Event())), asyncio.timeout(PATIENCE_S):
        await runtime.attached.wait()
    with pytest.raises(RefusedByRic, match=r"PERMISSION_DENIED.*may not attach as xApp routing-voip"):
        async with asyncio.timeout(PATIENCE_S):
            await routing_runtime("voip", ric, certs / "routing-video").run(asyncio.Event())
    with pytest.raises(CertificateUnusable):
        await routing_runtime("voip", ric, certs / "absent").run(asyncio.Event())


async def test_the_nodes_are_set_up_with_theirs_only(ric, certs):
    def association(name: str) -> Association:
        settings = NodesSettings(ric=f"127.0.0.1:{ric.grpc_port}", profile="paper", max_flows=1, tls_dir=certs / name)
        return composition.association(composition.node_agent(settings, log=LOG), settings, log=LOG)

    theirs = association("nodes")
    async with running(theirs.run()), asyncio.timeout(PATIENCE_S):
        await theirs.first_set_up.wait()
    with pytest.raises(RefusedByRic, match="PERMISSION_DENIED"):
        async with asyncio.timeout(PATIENCE_S):
            await association("console").run()


async def test_manager_and_command_line_with_certificate_and_token(ric, certs, tmp_path, monkeypatch, capsys):
    tokens = tmp_path / "tokens.json"
    viewer, operator = (create_token(tokens, f"a-{role}", role) for role in Role)
    settings = ManagerSettings(
        http_port=0, ric=f"127.0.0.1:{ric.grpc_port}", tls_dir=certs / "manager", tokens_file=tokens, ab_folder=tmp_path / "ab"
    )
    async with running_manager(settings, log=LOG) as manager:
        url = f"https://localhost:{manager.http_port}"
        monkeypatch.setenv("RICITY_TLS_DIR", str(certs / "cli"))
        monkeypatch.setenv("RICITY_MANAGER", url)

        async def ricity(*words: str):
            code = await asyncio.to_thread(main, [*words, "--json"])
            lines = capsys.readouterr().out.splitlines()  # the parts log into the same stream, each line with its time in front
            return code, json.loads("\n".join(line for line in lines if not line[:1].isdigit()))

        put = ("a1", "put", "ORAN_TrafficSteeringPreference", "keep-off")
        document = '{"scope": {"serviceIdList": ["video"]}, "tspResources": [{"preference": "AVOID", "nodeIdList": ["du-0"]}]}'
        assert (await ricity("a1", "list"))[1]["error"]["code"] == "unauthenticated"
        monkeypatch.setenv("RICITY_TOKEN", viewer)
        async with httpx.AsyncClient(base_url=url, verify=Transport(certs / "cli").trusted(), trust_env=False) as client:
            policies = "/A1-P/v2/policytypes/ORAN_TrafficSteeringPreference/policies"
            headers = {"Authorization": f"Bearer {viewer}"}
            async with asyncio.timeout(PATIENCE_S):
                while (await client.get(policies, headers=headers)).status_code != 200:
                    await asyncio.sleep(0.01)
        assert await ricity("a1", "list") == (0, {"policies": []})
        code, refused = await ricity(*put, document)
        assert (code, refused["error"]["code"]) == (2, "permission_denied")
        monkeypatch.setenv("RICITY_TOKEN", operator)
        code, done = await ricity(*put, document)
        assert (code, done.get("outcome")) == (0, "created"), done
    monkeypatch.setenv("RICITY_RIC", f"127.0.0.1:{ric.grpc_port}")
    monkeypatch.delenv("RICITY_TOKEN")
    code, listed = await ricity("e2", "nodes")
    assert (code, listed) == (0, {"nodes": []})
    monkeypatch.setenv("RICITY_TLS_DIR", str(certs / "routing-video"))
    code, refused = await ricity("e2", "nodes")
    assert (code, refused["error"]["code"]) == (2, "permission_denied")


async def test_a_manager_that_the_ric_refuses_says_so(ric, certs, tmp_path):
    """It runs under another part's identity: a fault of its installation, which is no defect and nothing to try again."""
    tokens = tmp_path / "tokens.json"
    headers = {"Authorization": f"Bearer {create_token(tokens, 'an-operator', Role.OPERATOR)}"}
    mine = certs / "registry"
    settings = ManagerSettings(
        http_port=0, ric=f"127.0.0.1:{ric.grpc_port}", tls_dir=mine, tokens_file=tokens, ab_folder=tmp_path / "ab"
    )
    asked = {"xapp": "routing-voip", "baseline": "0.1.0", "candidate": "0.2.0"}
    trusted = Transport(certs / "cli").trusted()
    async with running_manager(settings, log=LOG) as manager:
        url = f"https://localhost:{manager.http_port}/v1/ab"
        async with httpx.AsyncClient(verify=trusted, headers=headers, trust_env=False) as client:
            reply = await client.post(url, json=asked)
    assert (reply.status_code, reply.json()["type"]) == (403, "urn:ricity:error:permission_denied"), reply.text
    assert "registry" in reply.json()["detail"]
