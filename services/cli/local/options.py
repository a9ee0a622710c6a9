"""What `ricity run` can be told, checked before anything starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ric_sim.domain.errors import InvalidInput, OutOfRange

EMBEDDED = "embedded"
SPEED_MAX = "max"
MAX_IN_FLIGHT = 4096
MAX_REPLANS = 8


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One run.

    Attributes:
        profile, day, seed: of the built-in city and its days; None takes the seed of the day.
        policy: of all six routing xApps, a name in `ric_sim.network.policies`.
        weights: folder of a learned policy's weights; None takes those that come with Ricity.
        speed: `max`, or emulated seconds per second of wall time as a number.
        rate: requests per second of wall time instead of the day's own clock.
        store: `embedded` or the URL of a Redis-protocol server.
        store_password_file: holds the password of a store by URL.
        city, flows: files that take the place of the built-in city and day.
        in_flight: most requests outstanding at speed `max`.
        replans: plans an xApp makes again after an aborted commit.
        preempt: critical services may displace others.
        signals: refusals are counted in the store, and snapshots carry them.
        max_flows: plays only the first ones.
        ric_port: gRPC port of the RIC; 0 takes a free one.
        keep: leave the deployment running after the day, until Ctrl-C.
        slicing: the radio network plays beside, with a slicing dApp per O-DU and their critic.
        slicing_weights: what its actors start with: `none`, `shipped`, or a folder of weights.
        out: folder for everything the run writes.
    """

    out: Path
    profile: str = "paper"
    day: str = "test"
    seed: int | None = None
    policy: str = "learned"
    weights: Path | None = None
    speed: str = SPEED_MAX
    rate: float | None = None
    store: str = EMBEDDED
    store_password_file: Path | None = None
    city: Path | None = None
    flows: Path | None = None
    in_flight: int = 6
    replans: int = 1
    preempt: bool = False
    signals: bool = False
    max_flows: int | None = None
    ric_port: int = 0
    keep: bool = False
    slicing: bool = False
    slicing_weights: str = "none"

    def validate(self) -> None:
        """Checks every number; names are checked where they are looked up.

        Raises:
            InvalidInput: says which option, what was given and what is expected.
        """
        if self.speed != SPEED_MAX and not _is_positive_number(self.speed):
            raise InvalidInput(
                f"--speed {self.speed!r}: expected 'max' or a positive number of emulated seconds per second, e.g. 600"
            )
        if self.rate is not None and not _is_positive(self.rate):
            raise OutOfRange(f"--rate {self.rate}: expected a positive number of requests per second, e.g. 100")
        if self.rate is not None and self.speed != SPEED_MAX:
            raise InvalidInput(f"--rate {self.rate:g} and --speed {self.speed} both pace the day: give one of them")
        _check_range("--in-flight", self.in_flight, 1, MAX_IN_FLIGHT)
        _check_range("--replans", self.replans, 0, MAX_REPLANS)
        _check_range("--ric-port", self.ric_port, 0, 65_535)
        if self.max_flows is not None:
            _check_range("--max-flows", self.max_flows, 1, 10_000_000)
        if self.seed is not None:
            _check_range("--seed", self.seed, 0, 2**63 - 1)


def _check_range(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OutOfRange(f"{option} {value}: expected {low} to {high}")


def _is_positive_number(text: str) -> bool:
    try:
        return _is_positive(float(text))
    except ValueError:
        return False


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
