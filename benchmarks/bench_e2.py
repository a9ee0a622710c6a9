"""How long a decision takes: INSERT sent to CONTROL received, through the real RIC and six xApps, at a paced rate.

    ricity bench e2

References of the same run, at the same rate and from a process of their own on the same event loop: a unary call that
does nothing (`grpc.health.v1` on that very RIC) and one message there and back on a bare bidirectional stream.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.local.options import RunOptions
from services.cli.local.play import LocalRun
from services.cli.local.watcher import Silent
from services.common.server import CHANNEL_OPTIONS

RATE_PER_S = 100.0
REQUESTS = 3000
QUICK_REQUESTS = 300
PAYLOAD_BYTES = 138
"""Size of a commit request on the wire."""

_ECHO = "/ricity.bench.Echo/Stream"

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Runs the paced part of a day and both references."""
    n = QUICK_REQUESTS if quick else REQUESTS
    with tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch:
        options = RunOptions(out=Path(scratch) / "run", rate=RATE_PER_S, max_flows=n, keep=True)
        run = LocalRun(options, Silent())
        try:
            tell(f"{n} requests at {RATE_PER_S:g}/s through the RIC")
            live = run.play().summary
            tell(f"  p50 {live['decision_ms']['p50']} ms, p99 {live['decision_ms']['p99']} ms; now the references")
            unary = reference("unary", run.ric, n)
        finally:
            run.close()
    bidi = reference("bidi", "", n)
    return {"figures": _figures(live["decision_ms"], unary, bidi), "live": live, "unary_ms": unary, "bidi_ms": bidi}


def _figures(decision: dict[str, float], unary: dict[str, float], bidi: dict[str, float]) -> list[dict[str, Any]]:
    goals = {"p50": "< 3 ms", "p99": "< 10 ms"}
    return [
        {
            "name": f"decision {quantile} at {RATE_PER_S:g}/s",
            "value": decision[quantile],
            "unit": "ms",
            "reference": reference,
            "reference_value": round(values[quantile], 3),
            "ratio": round(decision[quantile] / values[quantile], 2),
            "goal": goals[quantile],
        }
        for quantile in goals
        for reference, values in (("unary no-op on the RIC", unary), ("bare bidi echo", bidi))
    ]


def reference(kind: str, target: str, n: int) -> dict[str, float]:
    """Measured in a process of its own, as the nodes are one."""
    command = [sys.executable, "-m", "benchmarks.bench_e2", kind, target, str(n)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


async def paced(call: Callable[[], Awaitable[None]], n: int) -> dict[str, float]:
    """Round trip times in ms of `n` calls, each started on schedule whatever became of the one before."""
    took_ms = np.zeros(n)

    async def timed(index: int) -> None:
        started_s = time.perf_counter()
        await call()
        took_ms[index] = (time.perf_counter() - started_s) * 1000

    begin_s = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for index in range(n):
            await asyncio.sleep(max(0.0, begin_s + index / RATE_PER_S - time.perf_counter()))
            calls.create_task(timed(index))
    p50, p99 = np.percentile(took_ms, (50, 99))
    return {"p50": float(p50), "p99": float(p99)}


async def unary(target: str, n: int) -> dict[str, float]:
    """Health checks on the server at `target`."""
    async with grpc.aio.insecure_channel(target, options=list(CHANNEL_OPTIONS)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def check() -> None:
            await stub.Check(health_pb2.HealthCheckRequest())

        await check()
        return await paced(check, n)


async def bidi(n: int) -> dict[str, float]:
    """Echoes on one stream, between this process and another that does nothing else."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bench_e2", "serve", stdout=asyncio.subprocess.PIPE
    )
    try:
        port = int(await server.stdout.readline())  # type: ignore[union-attr]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=list(CHANNEL_OPTIONS)) as channel:
            return await _echoes(channel, n)
    finally:
        server.terminate()
        await server.wait()


async def _echoes(channel: grpc.aio.Channel, n: int) -> dict[str, float]:
    stream = channel.stream_stream(_ECHO)()
    waiting: list[asyncio.Future[None]] = []
    writing = asyncio.Lock()  # a stream takes one write at a time

    async def read() -> None:
        while await stream.read() is not grpc.aio.EOF:
            waiting.pop(0).set_result(None)

    async def echo() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with writing:
            waiting.append(answer)
            await stream.write(bytes(PAYLOAD_BYTES))
        await answer

    reader = asyncio.create_task(read())
    await echo()
    result = await paced(echo, n)
    await stream.done_writing()
    await reader
    return result


async def serve() -> None:
    """Echoes whatever comes until it is told to stop; prints its port."""

    async def stream(messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message

    server = grpc.aio.server()
    _, service, method = _ECHO.split("/")
    handler = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "serve":
        uvloop.run(serve())
    else:
        target, count = arguments
        print(json.dumps(uvloop.run(unary(target, int(count)) if kind == "unary" else bidi(int(count)))))
