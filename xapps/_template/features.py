"""From reports to what the agent looks at. Reads what came over E2 and nothing else, so that it works alike in training."""

from __future__ import annotations

from xapps.sdk.report import KpmReport


class LatestValues:
    """The newest value of every measurement, node by node."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], float] = {}

    def take(self, report: KpmReport) -> None:
        """Keeps what was measured; a value of None (nothing to measure) removes what was known."""
        for item in report.values:
            key = item.name, report.ran_name, item.label
            if item.value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = item.value

    def means(self) -> dict[str, float]:
        """Measurement name -> mean of its newest values over nodes and slices, in the measurement's unit."""
        by_name: dict[str, list[float]] = {}
        for (name, _, _), value in self._values.items():
            by_name.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in sorted(by_name.items())}
