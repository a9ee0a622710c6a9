"""Flow files: CSV with one request per line (docs/city.md, "Flow file")."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ric_sim.domain.errors import MalformedFile
from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction
from ric_sim.network.city import City, NodeKind
from ric_sim.network.near_match import did_you_mean
from ric_sim.network.traffic import COLUMNS, DAY_MS, Day, sorted_day

HEADER = ("arrival_s", "holding_s", "service", "direction", "ru", "upf", "bandwidth_kbps", "n_requests")

ANY = "any"
"""The `upf` of every uplink flow: the router chooses."""

MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_HOLDING_MS = 31 * DAY_MS
MAX_REQUESTS = 1_000_000

_SECONDS = re.compile(r"(\d{1,9})(?:\.(\d{1,3}))?", re.ASCII)
_INTEGER = re.compile(r"\d{1,12}", re.ASCII)
_DIRECTIONS = {direction.name.lower(): direction for direction in Direction}


def load_flows(path: Path, city: City) -> Day:
    """The day in a file, named after it; lines in any order, equal arrivals keep theirs.

    Raises:
        MalformedFile: unreadable, or anything in it is wrong; names file, line, column, what was expected and what to do.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MalformedFile(f"{path}: cannot be read ({error.strerror}); expected a flow file, see docs/city.md") from None
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)[:64]
    return flows_from_csv(content, city, name=name, source=str(path))


def save_flows(day: Day, city: City, path: Path) -> None:
    """Writes a day of `city` so that `load_flows` gives the same flows back, under the name of the file."""
    path.write_bytes(flows_to_csv(day, city))


def flows_from_csv(data: bytes, city: City, *, name: str, source: str = "flows") -> Day:
    """Like `load_flows`, from the content of a file; `source` stands for its name in messages."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedFile(f"{source}: larger than {MAX_FILE_BYTES} bytes, the most a flow file may have")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedFile(f"{source}: no UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    parser = _RowParser(city)
    rows: list[tuple[int, ...]] = []
    for line, fields in _records(text, source):
        try:
            rows.append(parser.parse(fields))
        except _BadField as problem:
            raise MalformedFile(f"{source}, line {line}, column {problem}") from None
    if not rows:
        raise MalformedFile(f"{source}: no flows; expected at least one line below the header")
    return sorted_day(name, dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))


def flows_to_csv(day: Day, city: City) -> bytes:
    """The content of a flow file, in order of arrival; lines end with a newline."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    keys = [spec.key for spec in city.services]
    for row in zip(*(getattr(day, column).tolist() for column in COLUMNS), strict=True):
        arrival_ms, holding_ms, service, direction, ru, upf, bandwidth_kbps, n_requests = row
        writer.writerow(
            (
                _seconds(arrival_ms),
                _seconds(holding_ms),
                keys[service],
                Direction(direction).name.lower(),
                city.node_names[ru],
                ANY if upf == ANY_UPF else city.node_names[upf],
                bandwidth_kbps,
                n_requests,
            )
        )
    return out.getvalue().encode()


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms // 1000}.{duration_ms % 1000:03d}"


def _records(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, column -> field) of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = _checked_header(row, f"{source}, line {reader.line_num}")
            elif len(row) != len(header):
                raise MalformedFile(f"{source}, line {reader.line_num}: expected {len(header)} fields, got {len(row)}")
            else:
                yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise MalformedFile(f"{source}, line {reader.line_num}: no valid CSV ({error}); check quotes and line ends") from None
    if not header:
        raise MalformedFile(f"{source}: empty; expected the header {','.join(HEADER)}")


def _checked_header(row: list[str], place: str) -> list[str]:
    for column in row:
        if column not in HEADER:
            hint = did_you_mean(column, HEADER)
            raise MalformedFile(f"{place}: unknown column {column[:60]!r}{hint}; expected {','.join(HEADER)}")
    for column in HEADER:
        if row.count(column) != 1:
            raise MalformedFile(f"{place}: column {column} occurs {row.count(column)} times, expected once: {','.join(HEADER)}")
    return row


class _BadField(Exception):
    """The column, what was expected there and what stands there."""

    def __init__(self, column: str, expected: str, got: str, hint: str = "") -> None:
        super().__init__(f"{column}: expected {expected}, got {got[:60]!r}{hint}")


class _RowParser:
    """Fields of one line -> the values of `COLUMNS`."""

    def __init__(self, city: City) -> None:
        self._city = city
        names = city.node_names
        self._radio_units = {names[node]: node for node in city.nodes_of(NodeKind.O_RU).tolist()}
        self._upfs = [{names[node]: node for node in city.upfs_of(service).tolist()} for service in range(len(city.services))]
        # A flow above every link's capacity could never be carried; it is taken for a wrong unit.
        self._largest_kbps = int(city.link_capacity_kbps.max())

    def parse(self, fields: Mapping[str, str]) -> tuple[int, ...]:
        service = _looked_up(fields, "service", self._city.service_index, "a service")
        spec = self._city.services[service]
        offered = {name: direction for name, direction in _DIRECTIONS.items() if direction in spec.directions}
        direction = _looked_up(fields, "direction", offered, f"a direction of {spec.key}")
        if direction == Direction.UPLINK:
            upf = _looked_up(fields, "upf", {ANY: ANY_UPF}, "the UPF of an uplink flow, which the router chooses")
        else:
            upf = _looked_up(fields, "upf", self._upfs[service], f"a UPF of {spec.key}")
        return (
            _milliseconds(fields, "arrival_s", lowest=0, highest=DAY_MS - 1),
            _milliseconds(fields, "holding_s", lowest=1, highest=MAX_HOLDING_MS),
            service,
            direction,
            _looked_up(fields, "ru", self._radio_units, "an O-RU"),
            upf,
            _integer(fields, "bandwidth_kbps", highest=self._largest_kbps),
            _integer(fields, "n_requests", highest=MAX_REQUESTS),
        )


def _looked_up(fields: Mapping[str, str], column: str, known: Mapping[str, int], what: str) -> int:
    word = fields[column]
    if word in known:
        return known[word]
    listed = ", ".join(list(known)[:8]) + (", ..." if len(known) > 8 else "")
    raise _BadField(column, f"{what} ({listed})", word, did_you_mean(word, known))


def _milliseconds(fields: Mapping[str, str], column: str, *, lowest: int, highest: int) -> int:
    match = _SECONDS.fullmatch(fields[column])
    value = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0")) if match else -1
    if not lowest <= value <= highest:
        raise _BadField(column, f"seconds from {_seconds(lowest)} to {_seconds(highest)}, at most 3 decimals", fields[column])
    return value


def _integer(fields: Mapping[str, str], column: str, *, highest: int) -> int:
    value = int(fields[column]) if _INTEGER.fullmatch(fields[column]) else 0
    if not 1 <= value <= highest:
        raise _BadField(column, f"a whole number from 1 to {highest}", fields[column])
    return value
