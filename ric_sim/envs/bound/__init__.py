"""How much of a day could be carried at best: a rigorous upper bound on Grade of Service, with all requests known beforehand.

Needs the extra `bound` (HiGHS).
"""

from ric_sim.envs.bound.comparison import WindowedEvaluation, evaluate_on_windows
from ric_sim.envs.bound.result import BoundResult, bound_row
from ric_sim.envs.bound.windows import Window, choose_windows, windows_at

__all__ = ["BoundResult", "Window", "WindowedEvaluation", "bound_row", "choose_windows", "evaluate_on_windows", "windows_at"]
