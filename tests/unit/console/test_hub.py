import asyncio
import json

import pytest

from services.console.hub import HISTORY_POINTS, Hub
from services.console.web import Streams, stream


def test_a_reader_is_given_what_changed_since_it_looked():
    hub = Hub()
    hub.publish("a", {"x": 1})
    hub.publish("b", {"y": 1})
    seq, text = hub.changes(0)
    assert json.loads(text) == {"a": {"x": 1}, "b": {"y": 1}}
    hub.publish("a", {"x": 1})
    assert hub.changes(seq) == (seq, "")
    hub.publish("b", {"y": 2})
    hub.publish("b", {"y": 3})
    later, text = hub.changes(seq)
    assert later > seq
    assert json.loads(text) == {"b": {"y": 3}}


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        Hub().publish("a", {"x": float("nan")})


def test_the_history_keeps_gaps_and_forgets_the_oldest():
    hub = Hub()
    for at_s in range(HISTORY_POINTS + 5):
        hub.point(at_s, {"gos": 0.5} if at_s % 2 else {"gos": 0.5, "rate": 3.0})
    history = hub.history()
    assert len(history["at_s"]) == HISTORY_POINTS
    assert history["at_s"][-1] == HISTORY_POINTS + 4
    assert history["series"]["rate"][-2:] == [None, 3.0]
    assert hub.get("point")["values"] == {"gos": 0.5, "rate": 3.0}


async def test_waiting_ends_with_news_and_with_the_hub():
    hub = Hub()
    assert not await hub.wait(0, within_s=0.01)
    waiting = asyncio.create_task(hub.wait(0, within_s=5))
    await asyncio.sleep(0)
    hub.publish("a", {})
    assert await waiting
    waiting = asyncio.create_task(hub.wait(1, within_s=5))
    await asyncio.sleep(0)
    hub.close()
    assert await waiting


async def test_a_stream_begins_with_everything_then_sends_differences_and_ends_with_the_hub():
    hub, streams = Hub(), Streams()
    hub.publish("a", {"x": 1})
    hub.publish("b", {"y": 1})
    events = stream(hub, streams)
    assert (await anext(events)).startswith("event: history\n")
    assert streams.open == 1
    assert parsed(await anext(events)) == {"a": {"x": 1}, "b": {"y": 1}}
    hub.publish("b", {"y": 2})
    assert parsed(await anext(events)) == {"b": {"y": 2}}
    hub.close()
    assert [event async for event in events] == []
    assert streams.open == 0


def parsed(event: str) -> dict[str, object]:
    name, data = event.strip().split("\n")
    assert name == "event: state"
    return json.loads(data.removeprefix("data: "))
