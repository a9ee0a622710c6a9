"""A configuration on the stream of an xApp: taken between two decisions, and still there after a new association."""

from ricity.e2.v1 import xapp_pb2
from tests.contract.xapps.conftest import running_runtime
from tests.contract.xapps.scripted_ric import ScriptedRic


def _configure(ric, notice_id, generation, **settings):
    named = {f"RICITY_{name.upper()}": str(value) for name, value in settings.items()}
    ric.send(xapp_pb2.AttachResponse(config=xapp_pb2.ConfigNotice(notice_id=notice_id, generation=generation, settings=named)))


def _aborted(control):
    if control.WhichOneof("decision") == "reject":
        return None
    return xapp_pb2.ControlOutcome(flow_id=control.flow_id, status=xapp_pb2.CONTROL_STATUS_ABORTED)


async def test_it_says_what_it_takes_and_obeys(city, flows):
    async with ScriptedRic(city, meddle=_aborted) as ric, running_runtime(ric.target, replans=0, config_generation=2) as xapp:
        await ric.subscribed()
        told = ric.attachment.register
        assert (told.config_generation, list(told.live_settings)) == (2, ["RICITY_GROUP_DECISIONS", "RICITY_REPLANS"])
        ric.offer(flows[:1])
        await ric.until(lambda: flows[0].flow_id in ric.answers)
        assert len(ric.controls) == 2, "a route, and the reject after its abort"

        _configure(ric, 1, 3, replans=2)
        _configure(ric, 2, 4, replans=99)
        await ric.until(lambda: len(ric.attachment.config_answers) == 2)
        taken, refused = ric.attachment.config_answers
        assert (taken.notice_id, taken.generation, taken.accepted) == (1, 3, True)
        assert (refused.notice_id, refused.generation, refused.accepted) == (2, 3, False)
        assert "RICITY_REPLANS='99'" in refused.reason
        ric.offer(flows[1:2])
        await ric.until(lambda: flows[1].flow_id in ric.answers)
        assert len(ric.controls) == 2 + 4

        await ric.stop()
        await ric.start()
        await ric.subscribed(times=2)
        assert ric.attachment.register.config_generation == 3
        ric.offer(flows[2:3])
        await ric.until(lambda: flows[2].flow_id in ric.answers)
        assert len(ric.controls) == 2 + 4 + 4
        await xapp.end()
