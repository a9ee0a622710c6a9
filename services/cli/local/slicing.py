"""The slicing half of a local deployment: radio network, one dApp per O-DU, their critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ric_sim.radio.learned import starting_weights

RADIO, CRITIC = "radio", "critic"
N_DUS = 6
_SPANS = ("whole", "first_fifth", "last_fifth")
_FIGURES = ("reward", "all3", "satisfied_embb", "satisfied_mmtc", "satisfied_urllc", "fallback")


def check_slicing_weights(choice: str) -> None:
    """Before anything starts: whether every O-DU's actor has something to start with; errors as of `starting_weights`."""
    for du in range(N_DUS):
        starting_weights(choice, f"du_{du}")


def slicing_summary(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What summary.json says about the slicing half; slicing.json has the series. None if nothing was played.

    Args:
        record: content of slicing.json.
    """
    if record is None or not record["frames"]:
        return None
    totals, dus = record["totals"], record["dus"].values()
    return {
        "frames": record["frames"],
        "frames_per_s": record["frames_per_s"],
        "answer_ms": record["answer_ms"],
        **{name: {span: totals[span][name] for span in _SPANS} for name in _FIGURES},
        "rule": {"name": record["rule"], **{span: totals[span]["rule_reward"] for span in _SPANS}},
        "controls": {name: sum(du.get(name, 0) for du in dus) for name in ("applied", "shielded", "missing", "refused", "late")},
        "policy_version": {name: du["policy_version"] for name, du in record["dus"].items()},
        "policy_age_s": {name: du["policy_age_s"] for name, du in record["dus"].items()},
    }


def slicing_rows(summary: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Rows of the figures table."""
    reward, all3, rule = summary["reward"], summary["all3"], summary["rule"]
    controls = summary["controls"]
    return (
        (
            "slicing",
            f"{summary['frames']:,} frames of {len(summary['policy_version'])} O-DUs, {summary['frames_per_s']:.0f} a second",
        ),
        ("reward, first / last fifth", f"{reward['first_fifth']:.3f} / {reward['last_fifth']:.3f}"),
        (f"of rule {rule['name']}", f"{rule['first_fifth']:.3f} / {rule['last_fifth']:.3f}"),
        ("all slices satisfied", f"{100 * all3['first_fifth']:.1f} / {100 * all3['last_fifth']:.1f} %"),
        ("controls", f"{controls['applied']:,} applied, {controls['missing']:,} safe split, {controls['refused']:,} refused"),
        (
            "weights of the actors",
            f"version {min(summary['policy_version'].values())} to {max(summary['policy_version'].values())}",
        ),
    )
