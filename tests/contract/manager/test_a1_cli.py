"""`ricity a1` against a real manager."""

from __future__ import annotations

import asyncio
import json

from services.cli.main import main
from tests.contract.manager.a1_client import TSP

TYPE = "ORAN_TrafficSteeringPreference"
POLICY = '{"scope": {"serviceIdList": ["voip"]}, "tspResources": [{"preference": "AVOID", "nodeIdList": ["du-1"]}]}'


async def test_a_policy_is_put_listed_read_and_deleted(client, capsys, tmp_path):
    async def run(*words):
        capsys.readouterr()  # what the parts in this process have logged
        code = await asyncio.to_thread(main, ["a1", *words, "--manager", str(client.base_url), "--json"])
        return code, printed(capsys)

    file = tmp_path / "policy.json"
    file.write_text(POLICY)
    assert await run("put", TYPE, "a b", str(file)) == (
        2,
        {"error": {"code": "invalid_input", "message": _any_with("policy_id")}},
    )
    assert (await run("put", TYPE, "p1", str(file)))[1]["outcome"] == "created"
    assert (await run("put", TYPE, "p1", POLICY))[1]["outcome"] == "replaced"
    assert await run("get", TYPE, "p1") == (0, json.loads(POLICY))
    row = {"policy_id": "p1", "type": TYPE, "status": "NOT_ENFORCED", "reason": "OTHER_REASON"}
    assert await run("list") == (0, {"policies": [row]})
    assert await run("status", TYPE, "p1") == (0, row)
    assert {"type": TYPE, "policies": 1} in (await run("types"))[1]["types"]
    assert "tspResources" in (await run("types", TYPE))[1]["policySchema"]["properties"]
    assert (await run("delete", TYPE, "p1"))[0] == 0
    assert await run("delete", TYPE, "p1") == (2, {"error": {"code": "not_found", "message": _any_with("p1")}})


async def test_a_policy_that_goes_while_the_list_is_made_is_left_out(client, capsys):
    for policy_id in ("p1", "p2"):
        await client.put(f"{TSP}/{policy_id}", content=POLICY)

    async def serve(reader, writer):
        """Passes one request on; deletes the policy `p1` just before its status is asked for."""
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path.endswith("p1/status"):
            await client.delete(f"{TSP}/p1")
        reply = await client.get(path)
        head = f"HTTP/1.1 {reply.status_code} -\r\nContent-Type: {reply.headers['content-type']}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + reply.content)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        capsys.readouterr()
        manager = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await asyncio.to_thread(main, ["a1", "list", "--manager", manager, "--json"]) == 0
    assert [row["policy_id"] for row in printed(capsys)["policies"]] == ["p2"]


async def test_a_list_that_is_watched_is_printed_again_when_a_policy_has_come(client, capsys):
    """Ends by its count: nothing is changed but by the policies put here."""
    words = ["a1", "list", "--manager", str(client.base_url), "--watch", "--every-s", "0.1", "--count", "2", "--json"]
    capsys.readouterr()
    watching = asyncio.create_task(asyncio.to_thread(main, words))
    put = 0
    while not watching.done():
        assert (await client.put(f"{TSP}/p{put:03}", content=POLICY)).status_code == 201
        put += 1
        await asyncio.wait([watching], timeout=0.3)
    assert watching.result() == 0
    before, after = (json.loads(line)["policies"] for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert before == after[: len(before)]
    assert [row["policy_id"] for row in after] == [f"p{number:03}" for number in range(len(after))]
    assert len(before) < len(after) <= put


async def test_a_manager_that_breaks_off_while_it_is_watched_is_waited_for(capsys):
    waiting, enforced = {"enforceStatus": "NOT_ENFORCED", "enforceReason": "OTHER_REASON"}, {"enforceStatus": "ENFORCED"}
    replies = iter([waiting, None, None, enforced])

    async def serve(reader, writer):
        """Answers with the next status, or breaks off."""
        await reader.readuntil(b"\r\n\r\n")
        if reply := next(replies):
            writer.write(b"HTTP/1.1 200 -\r\nConnection: close\r\n\r\n" + json.dumps(reply).encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        manager = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        words = ["a1", "status", TYPE, "p1", "--manager", manager, "--watch", "--every-s", "0.1", "--count", "2", "--json"]
        assert await asyncio.to_thread(main, words) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["status"] for line in captured.out.splitlines()] == ["NOT_ENFORCED", "ENFORCED"]
    assert captured.err.count("no manager answers") == captured.err.count("; waiting") == 1
    assert "it answers again" in captured.err


def printed(capsys):
    """The JSON that was printed; the parts log into the same stream, each line with its time in front."""
    return json.loads("\n".join(line for line in capsys.readouterr().out.splitlines() if not line[:1].isdigit()))


class _any_with(str):
    """Equal to every text that contains it."""

    def __eq__(self, other):
        return isinstance(other, str) and str(self) in str.__str__(other)

    __hash__ = str.__hash__
