"""The slicing half as the operating system sees it: processes that are killed with SIGKILL and started again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.contract.slicing.parts import QUICK_LEARNING
from tests.harness import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

WITHIN_S = 150.0
AWAY_S = 30.0
FRAMES_PER_S = 50
BUFFER_BATCHES = 64


class Part:
    """A process, its log and what it published."""

    def __init__(self, name: str, module: str, folder: Path, variables: dict[str, object]) -> None:
        self.ready_file, self.log = folder / f"{name}.ready.json", folder / f"{name}.log"
        self._module, self._variables = module, {"ready_file": self.ready_file, "die_with_parent": True, **variables}
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        self.ready_file.unlink(missing_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
        env = inherited | {f"RICITY_{name.upper()}": str(value) for name, value in self._variables.items()}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, env=env, stdout=log, stderr=log
            )

    async def ready(self) -> dict[str, int]:
        await eventually(lambda: self.ready_file.exists() or self.process.returncode is not None, within_s=WITHIN_S)
        assert self.ready_file.exists(), self.log.read_text()
        return json.loads(self.ready_file.read_text())

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    def lines(self, event: str) -> list[dict[str, object]]:
        return [line for line in map(json.loads, self.log.read_text().splitlines()) if line["event"] == event]


@pytest.fixture
async def start(tmp_path):
    parts: list[Part] = []

    async def started(name: str, module: str, **variables: object) -> Part:
        part = Part(name, module, tmp_path, variables)
        parts.append(part)
        await part.start()
        return part

    yield started
    for part in parts:
        if part.process.returncode is None:
            part.process.terminate()
    await asyncio.gather(*(part.process.wait() for part in parts))


def record_of(folder: Path) -> dict[str, object]:
    try:
        return json.loads((folder / "slicing.json").read_text())["dus"]
    except FileNotFoundError:
        return {}


async def metrics(part: Part) -> str:
    url = f"http://127.0.0.1:{(await part.ready())['status_port']}/metrics"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read().decode())


async def test_kill_9_of_critic_and_dapp_and_both_come_back(start, tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    radio = await start(
        "radio", "services.radio.main", grpc_port=0, dus=2, ues=40, frames_per_s=100, deadline_ms=10_000, out=tmp_path
    )
    critic_settings = {
        "config": config,
        "push_every": 4,
        "trial_decisions": 0,
        "checkpoint_every_s": 0.3,
        "out": tmp_path / "critic",
    }
    critic = await start("critic", "xapps.critic.main", grpc_port=0, **critic_settings)
    port, critic_port = (await radio.ready())["grpc_port"], (await critic.ready())["grpc_port"]
    links = {"radio": f"127.0.0.1:{port}", "critic": f"127.0.0.1:{critic_port}", "batch_transitions": 4}
    dapps = [await start(f"du{du}", "xapps.slicing.main", du=du, **links) for du in range(2)]

    def all_have(version: int) -> bool:
        dus = record_of(tmp_path)
        return bool(dus) and all(du["policy_version"] >= version for du in dus.values())

    await eventually(lambda: all_have(4) and (tmp_path / "critic" / "checkpoint.pt").exists(), within_s=WITHIN_S)
    await critic.kill()
    before = record_of(tmp_path)
    await eventually(lambda: record_of(tmp_path)["du_0"]["applied"] >= before["du_0"]["applied"] + 100, within_s=WITHIN_S)
    assert [du["missing"] for du in record_of(tmp_path).values()] == [du["missing"] for du in before.values()]
    held = max(du["policy_version"] for du in record_of(tmp_path).values())
    again = await start("critic-again", "xapps.critic.main", grpc_port=critic_port, **critic_settings)
    await again.ready()
    assert again.lines("critic.resumed")
    await eventually(lambda: all_have(held + 1), within_s=WITHIN_S)

    await dapps[0].kill()
    await eventually(lambda: record_of(tmp_path)["du_0"]["missing"] > before["du_0"]["missing"], within_s=WITHIN_S)
    await dapps[0].start()
    missing_then = record_of(tmp_path)["du_1"]["missing"]
    applied_then = record_of(tmp_path)["du_0"]["applied"]
    await eventually(lambda: record_of(tmp_path)["du_0"]["applied"] > applied_then + 50, within_s=WITHIN_S)
    assert record_of(tmp_path)["du_1"]["missing"] == missing_then
    assert 'ricity_slicing_weights_total{du="du_0",fate="activated"}' in await metrics(dapps[0])
    radio.process.terminate()
    assert await radio.process.wait() == 0


def sample(text: str, name: str, **labels: str) -> float:
    """The value of a metric in a /metrics text."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    rows = re.findall(rf"^{name}(?:\{{([^}}]*)\}})? (\S+)$", text, flags=re.MULTILINE)
    return sum(float(value) for found, value in rows if wanted <= set(found.split(",")))


async def test_half_a_minute_without_the_critic_loses_no_cell(start, tmp_path, record_property):
    config = tmp_path / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    radio = await start(
        "radio", "services.radio.main", grpc_port=0, dus=2, ues=40, frames_per_s=FRAMES_PER_S, deadline_ms=10_000, out=tmp_path
    )
    settings = {
        "config": config,
        "push_every": 4,
        "trial_decisions": 0,
        "checkpoint_every_s": 0.3,
        "out": tmp_path / "critic",
    }
    critic = await start("critic", "xapps.critic.main", grpc_port=0, **settings)
    critic_port = (await critic.ready())["grpc_port"]
    links = {"radio": f"127.0.0.1:{(await radio.ready())['grpc_port']}", "critic": f"127.0.0.1:{critic_port}"}
    dapps = [
        await start(f"du{du}", "xapps.slicing.main", du=du, batch_transitions=4, buffer_batches=BUFFER_BATCHES, **links)
        for du in range(2)
    ]

    def of_dus(name: str) -> list[int]:
        return [du[name] for du in record_of(tmp_path).values()]

    await eventually(lambda: of_dus("policy_version") and min(of_dus("policy_version")) >= 8, within_s=WITHIN_S)
    await eventually((tmp_path / "critic" / "checkpoint.pt").exists, within_s=WITHIN_S)
    await critic.kill()
    killed_s = asyncio.get_running_loop().time()
    await eventually(lambda: min(of_dus("policy_age_s")) > 2.0, within_s=WITHIN_S)
    held, missing, applied = of_dus("policy_version"), of_dus("missing"), of_dus("applied")
    since_s = asyncio.get_running_loop().time()
    await eventually(lambda: asyncio.get_running_loop().time() > max(killed_s + AWAY_S, since_s + AWAY_S / 2), within_s=WITHIN_S)
    assert of_dus("policy_version") == held
    assert of_dus("missing") == missing
    gained = [after - before for after, before in zip(of_dus("applied"), applied, strict=True)]
    record_property("frames_without_critic", min(gained))
    assert min(gained) > 0.25 * FRAMES_PER_S * (asyncio.get_running_loop().time() - since_s)  # others use the machine, too
    for du, part in enumerate(dapps):
        text = await metrics(part)
        assert sample(text, "ricity_slicing_critic_attached", du=f"du_{du}") == 0
        assert sample(text, "ricity_slicing_experience_total", du=f"du_{du}", fate="dropped") > 0

    again = await start("critic-again", "xapps.critic.main", grpc_port=critic_port, **settings)
    await again.ready()
    (resumed,) = again.lines("critic.resumed")
    assert resumed["updates"] > 0
    assert resumed["transitions"] > 0
    await eventually(lambda: min(of_dus("policy_version")) > max(held), within_s=WITHIN_S)
    async with asyncio.timeout(WITHIN_S):  # what the dApps have kept comes after the first weights
        for du in range(2):
            while sample(await metrics(again), "ricity_critic_transitions_total", du=f"du_{du}") < 4 * BUFFER_BATCHES / 2:
                await asyncio.sleep(0.2)
    assert of_dus("missing") == missing
