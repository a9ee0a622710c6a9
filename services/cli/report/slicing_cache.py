"""Episodes for the report on slicing: read where they have been played, played and kept where they are missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ric_sim.envs.statistics import Interval
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.learned.policy import LearnedSlicing, load_slicing
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.policies.base import SlicingPolicy
from ric_sim.radio.world import World
from services.cli.report.kept import bar, kept
from services.cli.report.routing_results import Row
from services.cli.report.slicing_play import Episodes, NoisyReports, bound, play
from services.cli.report.slicing_results import USUAL_DUS, SlicingRun, label_of, reward

ORACLE = "oracle"
BOUND_POLICY = "need-tuned"

Played = dict[str, Any]


@dataclass(frozen=True)
class EpisodeCache:
    """Files of played episodes: of a run in its folder, of other policies in `data`.

    Attributes:
        seeds, replicas, decisions: what is played; training uses seeds from 1,000,000 on.
    """

    data: Path
    seeds: tuple[int, ...]
    replicas: int = 8
    decisions: int = 100

    def of_run(self, run: SlicingRun, profile: str, *, noise: float = 0.0) -> Played:
        """A run's greedy policies in one profile, with noise in their reports or without."""

        def policy() -> SlicingPolicy:
            learned: LearnedSlicing = load_slicing(run.path / "weights", name=run.variant)
            return NoisyReports(learned, noise) if noise else learned

        def world() -> World:
            return World(
                RadioConfig(n_dus=run.n_dus, n_ues=int(run.config["world"]["n_ues"])),
                n_replicas=self.replicas,
                decoding=run.decoding,
                observation=str(run.config["world"]["observation"]),
            )

        suffix = f"-noise-{noise:g}" if noise else ""
        path = run.path / f"episodes-{profile}{suffix}.json"
        identity = {"config_hash": run.result["config_hash"], "seed": run.seed, "noise": noise}
        return self._played(path, self._episodes(profile), identity, policy, world, newer_than=run.path / "result.json")

    def of_rule(self, name: str, profile: str, *, n_dus: int = USUAL_DUS) -> Played:
        """A policy without training."""
        suffix = "" if n_dus == USUAL_DUS else f"-{n_dus}-dus"
        return self._played(
            self.data / f"episodes-{name}-{profile}{suffix}.json",
            self._episodes(profile),
            {"policy": name, "n_dus": n_dus},
            lambda: make_slicing_policy(name),
            lambda: World(RadioConfig(n_dus=n_dus), n_replicas=self.replicas),
        )

    def rows(self, profile: str, policies: Sequence[str], runs: Sequence[SlicingRun], *, noise: float = 0.0) -> list[Row]:
        """One row per label of the runs, with noise in their reports or without, and per policy."""
        rows: dict[str, Row] = {}
        for run in runs:
            label = label_of(run, runs)
            row = rows.setdefault(label, Row(label, profile, learned=True))
            _fill(row, run.seed, profile, self.of_run(run, profile, noise=noise))
        for name in policies:
            row = rows.setdefault(name, Row(name, profile, learned=False))
            _fill(row, None, profile, self.of_rule(name, profile))
        return list(rows.values())

    def played(self, profile: str, policies: Sequence[str], runs: Sequence[SlicingRun]) -> dict[str, list[Played]]:
        """What was played in one profile by label, distributions included."""
        told: dict[str, list[Played]] = {}
        for run in runs:
            told.setdefault(label_of(run, runs), []).append(self.of_run(run, profile))
        return told | {name: [self.of_rule(name, profile)] for name in policies}

    def scaled(self, profile: str, runs: Sequence[SlicingRun]) -> dict[str, dict[int, Interval]]:
        """Reward by number of O-DUs: of the runs of methods that were trained with several numbers, and of the best rule.

        Intervals are over training seeds, of the rule over episodes; runs of other lengths than the others' are left out.
        """
        several = [run for run in runs if run.n_dus != USUAL_DUS and run.radius is None]
        lengths = {run.steps for run in several}
        methods = {run.variant for run in several}
        counts = sorted({run.n_dus for run in several})
        mine = [run for run in runs if run.variant in methods and run.steps in lengths and run.radius is None]
        rows: dict[str, dict[int, Row]] = {}
        for run in mine:
            row = rows.setdefault(run.variant, {}).setdefault(run.n_dus, Row(run.variant, profile, learned=True))
            _fill(row, run.seed, profile, self.of_run(run, profile))
        for n_dus in sorted({*counts, USUAL_DUS}) if several else ():
            row = rows.setdefault(BOUND_POLICY, {}).setdefault(n_dus, Row(BOUND_POLICY, profile, learned=False))
            _fill(row, None, profile, self.of_rule(BOUND_POLICY, profile, n_dus=n_dus))
        return {
            label: {n_dus: interval for n_dus, row in sorted(of_label.items()) if (interval := row.interval(reward))}
            for label, of_label in rows.items()
        }

    def bound(self, profile: str) -> dict[str, Any]:
        """Upper bounds of single frames on the way of the best rule."""
        identity = {"policy": BOUND_POLICY, "profile": profile, "seed": self.seeds[0], "decisions": self.decisions}

        def fresh() -> dict[str, Any]:
            with bar(f"bound, {profile}", self.decisions) as advance:
                return bound(make_slicing_policy(BOUND_POLICY), profile, self.seeds[0], self.decisions, advance)

        return _kept_of(self.data / f"bound-{profile}.json", identity, fresh)

    def _episodes(self, profile: str) -> Episodes:
        return Episodes(profile, self.seeds, self.replicas, self.decisions)

    def _played(
        self,
        path: Path,
        episodes: Episodes,
        identity: dict[str, Any],
        policy: Callable[[], SlicingPolicy],
        world: Callable[[], World],
        newer_than: Path | None = None,
    ) -> Played:
        def fresh() -> dict[str, Any]:
            with bar(path.stem.removeprefix("episodes-"), len(episodes.seeds) * episodes.decisions) as advance:
                return play(policy(), world(), episodes, advance)

        played = {**asdict(episodes), "seeds": list(episodes.seeds)}
        return _kept_of(path, {**identity, **played}, fresh, newer_than=newer_than)


def _kept_of(
    path: Path, identity: dict[str, Any], fresh: Callable[[], dict[str, Any]], *, newer_than: Path | None = None
) -> dict[str, Any]:
    """What was played before if it is of the same identity, else what `fresh` gives."""
    return kept(
        path,
        lambda: {"of": identity, **fresh()},
        lambda told: told.get("of") == identity,
        newer_than=newer_than,
    )


def _fill(row: Row, seed: int | None, profile: str, played: Played) -> None:
    for episode in played["episodes"]:
        row.evaluations[seed, f"{profile} {episode['seed']}.{episode['replica']}"] = episode
