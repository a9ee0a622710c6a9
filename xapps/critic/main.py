"""The critic's process: `python -m xapps.critic.main`."""

from __future__ import annotations

import asyncio
import os
import sys

from xapps.critic.service import running_critic
from xapps.critic.settings import CriticSettings
from xapps.sdk.standalone import ProcessLife, run_standalone


async def serve(settings: CriticSettings, life: ProcessLife) -> None:
    """Teaches until told to stop. Errors as of `running_critic`."""
    os.nice(settings.niceness)
    async with running_critic(settings, log=life.log) as critic:
        life.facts["grpc_port"] = critic.grpc_port
        life.ready.set()
        life.log.info(
            "critic.ready", grpc_port=critic.grpc_port, variant=critic.learner.config.variant, updates=critic.learner.n_updates
        )
        stopping = asyncio.create_task(life.stop.wait())
        await asyncio.wait((stopping, critic.loop), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if critic.loop.done():
            critic.loop.result()
        life.log.info(
            "critic.taught", updates=critic.learner.n_updates, version=critic.learner.version, push_ms=critic.pusher.push_ms()
        )


if __name__ == "__main__":
    sys.exit(run_standalone(CriticSettings, component="critic", name=lambda _settings: "critic", serve=serve))
