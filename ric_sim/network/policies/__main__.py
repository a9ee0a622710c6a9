"""`python -m ric_sim.network.policies`: compiles the planners' kernels into numba's cache, or finds them there."""

from ric_sim.network.compiled_cache import drop_stale_kernels
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import warm_up

if __name__ == "__main__":
    drop_stale_kernels()
    warm_up(build_city("paper"))
