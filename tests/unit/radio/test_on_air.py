"""O-DUs that are switched off and on while the network plays."""

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.world import World

ACTIONS = np.full((2, 6, 5), 0.5)


@pytest.fixture
def world():
    made = World(n_replicas=2)
    made.set_on_air(5, on_air=False)
    made.reset(3)
    return made


def test_one_that_is_off_serves_nobody_and_sends_nothing(world):
    assert world.on_air.tolist() == [True] * 5 + [False]
    for _ in range(5):
        assert not (world.state.serving == 5).any()
        result = world.step(ACTIONS)
        assert not result.active_ues[:, 5].any()
        assert not result.used_rbs[:, 5].any()
        assert not world.state.transmits[:, 5].any()
        assert np.isfinite(world.observe()).all()
        assert np.isfinite(result.reward).all()
    assert result.active_ues[:, :5].sum() > 0


def test_it_serves_its_cell_from_the_next_frame_on(world):
    world.set_on_air(5, on_air=True)
    assert not world.on_air[5]
    world.step(ACTIONS)
    assert world.on_air.all()
    assert (world.state.serving == 5).any()
    near = np.hypot(world.state.x_m - 1250, world.state.y_m - 750) < 200
    assert (world.state.serving[near] == 5).all()
    assert world.step(ACTIONS).used_rbs[:, 5].sum() > 0


def test_others_play_on_when_it_goes(world):
    world.set_on_air(5, on_air=True)
    world.step(ACTIONS)
    world.set_on_air(5, on_air=False)
    world.step(ACTIONS)
    assert not (world.state.serving == 5).any()


def test_switching_everything_on_is_the_world_as_it_always_was(world):
    world.set_on_air(5, on_air=True)
    world.reset(3)
    usual = World(n_replicas=2)
    usual.reset(3)
    np.testing.assert_array_equal(world.step(ACTIONS).reward, usual.step(ACTIONS).reward)


def test_no_such_cell_and_the_last_one_are_refused(world):
    with pytest.raises(OutOfRange, match="0 to 5"):
        world.set_on_air(6, on_air=True)
    for du in range(4):
        world.set_on_air(du, on_air=False)
    with pytest.raises(OutOfRange, match="another one to stay"):
        world.set_on_air(4, on_air=False)
