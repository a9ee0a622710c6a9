"""`python -m ric_sim.radio`: compiles the kernels of the radio network into numba's cache, or finds them there."""

from ric_sim.radio.policies import SLICING_POLICIES, make_slicing_policy
from ric_sim.radio.world import World


def warm_up() -> None:
    """Plays a frame of every policy; a first frame of another process then costs no more than others."""
    world = World(n_replicas=1)
    for name in SLICING_POLICIES:
        world.apply(make_slicing_policy(name).allocate(world))


if __name__ == "__main__":
    warm_up()
