"""F20 and F21: whole frames against an independent world in plain loops, to single precision."""

import numpy as np
import pytest

from ric_sim.radio.config import RadioConfig
from ric_sim.radio.decoding import Allocation
from ric_sim.radio.profiles import RADIO_PROFILES
from ric_sim.radio.world import World
from tests.unit.radio.loop_world import LoopWorld

PRECISION = 1e-5
FRAMES = 3


def loop_twin(world, seed, replica):
    cells = list(zip(*(axis.tolist() for axis in world.config.du_positions_m()), strict=True))
    loads = RADIO_PROFILES["nominal"].loads(world.n_dus).tolist()
    return LoopWorld(cells, world.config.area_m, world.config.n_ues, seed, loads, replica)


@pytest.mark.parametrize(("n_dus", "n_ues"), [(2, 12), (6, 200)])
@pytest.mark.parametrize("round_robin", [True, False])
def test_frames_equal_those_of_plain_loops(n_dus, n_ues, round_robin):
    world = World(RadioConfig(n_dus=n_dus, n_ues=n_ues), n_replicas=2)
    world.reset(77)
    twins = [loop_twin(world, 77, replica) for replica in range(2)]
    rng = np.random.default_rng(5)
    for frame in range(1, FRAMES + 1):
        quotas = rng.multinomial(95, [0.5, 0.2, 0.3], size=(2, n_dus))
        betas = rng.random((2, n_dus, 2))
        np.testing.assert_allclose(world.need_rbs, [[twin.needs(du) for du in range(n_dus)] for twin in twins], rtol=PRECISION)
        result = world.apply(Allocation(quotas, betas, np.zeros((2, n_dus)), round_robin=round_robin))
        for replica, twin in enumerate(twins):
            rewards, qos = twin.step(quotas[replica].tolist(), None if round_robin else betas[replica].tolist())
            given = [[taken.get(rb, -1) for rb in range(100)] for taken in twin.given]
            np.testing.assert_array_equal(world.state.rb_ue[replica], given)
            np.testing.assert_allclose(result.reward[replica], rewards, rtol=PRECISION, atol=PRECISION)
            np.testing.assert_allclose(result.qos[replica], qos, rtol=PRECISION)
            twin.advance(frame)
            np.testing.assert_allclose(world.state.x_m[replica], [x for x, _ in twin.at])
            np.testing.assert_allclose(world.state.queue_bits[replica], twin.queue, rtol=PRECISION, atol=0.2)
