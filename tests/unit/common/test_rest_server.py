import time

import httpx
from starlette.responses import PlainTextResponse

from services.common.rest_server import serving

ASKED = 20
HELD_UP_S = 0.04
"""How long Linux waits before it confirms the head of an answer, and a sender that waits for that."""


async def test_no_answer_on_a_kept_connection_waits_for_the_one_before_to_be_confirmed():
    async with (
        serving(PlainTextResponse("yes"), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        took_s = []
        for _ in range(ASKED):
            began_s = time.perf_counter()
            assert (await client.get("/")).text == "yes"
            took_s.append(time.perf_counter() - began_s)
    assert min(took_s[ASKED // 2 :]) < HELD_UP_S / 2
