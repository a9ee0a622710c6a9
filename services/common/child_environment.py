"""The environment of processes that Ricity starts."""

from __future__ import annotations

import os


def clean_environment() -> dict[str, str]:
    """This process's environment without `RICITY_*`: each process refuses variables that it does not know.

    One thread per process for the linear algebra behind numpy: eight pools on two cores only get in each other's way.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
