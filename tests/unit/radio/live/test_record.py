"""The bounded record of a live slicing network."""

import json

import numpy as np

from ric_sim.radio.world import World
from services.radio.record import MOST_WINDOWS, SlicingRecord, WindowedSeries


def test_a_long_run_takes_no_more_room_and_keeps_its_means():
    series = WindowedSeries(2, 1, 1)
    values = np.arange(5 * MOST_WINDOWS + 3, dtype=np.float64)
    for value in values:
        series.add(np.full((2, 1), value), np.full((2, 1), value))
    assert len(series.frames) <= MOST_WINDOWS
    assert series.window_frames == 8
    assert series.frames[-1] == len(values)
    begin = 0
    for end, mean, last in zip(series.frames, series.means(), series.latest(), strict=True):
        assert mean[0, 0] == values[begin:end].mean()
        assert last[1, 0] == values[end - 1]
        begin = end


def test_the_record_says_what_was_played_and_is_json():
    world = World(n_replicas=1)
    record = SlicingRecord(6, rule="need-tuned")
    assert record.to_dict()["frames"] == 0
    rewards = []
    for version in (0, 1, 1):
        for du in range(6):
            record.decided_with(du, version)
        played = world.step(np.full((1, 6, 5), 0.5))
        rewards.append(played.reward.mean())
        record.answered(0.002)
        record.add(played, played, np.zeros(6, dtype=np.bool_), np.ones(6, dtype=np.bool_))
    content = json.loads(json.dumps(record.to_dict(), allow_nan=False))
    assert content["frames"] == 3
    assert abs(content["totals"]["whole"]["reward"] - np.mean(rewards)) < 1e-3
    assert content["totals"]["whole"]["rule_reward"] == content["totals"]["whole"]["reward"]
    assert content["dus"]["du_3"]["activations"] == 1
    assert content["dus"]["du_3"]["series"]["policy_version"] == [0, 1, 1]
    assert len(content["dus"]["du_3"]["series"]["reward"]) == len(content["series_frame"]) == 3
    assert content["answer_ms"] == {"p50": 2.0, "p99": 2.0}


def test_a_cell_that_is_off_the_air_changes_no_mean():
    world = World(n_replicas=1)
    world.set_on_air(5, on_air=False)
    world.reset(0)
    record, on_air = SlicingRecord(6, rule="need-tuned"), np.arange(6) != 5
    played = world.step(np.full((1, 6, 5), 0.5))
    record.add(played, played, np.zeros(6, dtype=np.bool_), on_air)
    content = record.to_dict()
    wanted = played.reward[0, on_air].mean()
    assert abs(content["totals"]["whole"]["reward"] - wanted) < 1e-4
    assert abs(content["dus"]["du_5"]["series"]["reward"][0] - wanted) < 1e-4
    assert played.reward[0, 5] > wanted
