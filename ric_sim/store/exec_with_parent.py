"""Started as a script: becomes the given program, which the kernel (Linux) then ends when the starting process ends.

Usage: exec_with_parent.py PARENT_PID PROGRAM [ARG...]. A process of its own, because code between fork and exec in a
threaded parent is not safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, program: list[str]) -> None:
    """Replaces this process by `program`; exits instead if the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
