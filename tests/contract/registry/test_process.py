"""The registry as a process: ready file, REST, status port, and an orderly end."""

import asyncio
import json
import os
import sys

import httpx

from tests.harness import eventually
from tests.untrained import untrained_folder


async def test_it_serves_until_told_to_stop(tmp_path):
    ready, log = tmp_path / "ready.json", tmp_path / "log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
    env = inherited | {
        "RICITY_REGISTRY": str(tmp_path / "registry"),
        "RICITY_REST_PORT": "0",
        "RICITY_READY_FILE": str(ready),
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.registry.main", env=env, stdout=output, stderr=output
        )
    try:
        await eventually(lambda: ready.exists() or process.returncode is not None, within_s=60)
        assert ready.exists(), log.read_text()
        ports = json.loads(ready.read_text())
        async with httpx.AsyncClient(timeout=20) as client:
            rest = f"http://127.0.0.1:{ports['rest_port']}"
            folder = untrained_folder(tmp_path / "weights", ["video"])
            sent = {"files": ("video.safetensors", (folder / "video.safetensors").read_bytes())}
            answer = await client.post(f"{rest}/registry/v1/models/routing-amarl-video/versions", files=sent)
            assert answer.status_code == 201, answer.text
            assert (await client.get(f"{rest}/openapi.json")).json()["info"]["title"] == "Ricity model registry"
            status = f"http://127.0.0.1:{ports['status_port']}/ric/v1/health/ready"
            assert (await client.get(status)).text == "ready\n"
        process.terminate()
        assert await process.wait() == 0, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
