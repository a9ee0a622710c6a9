"""City files: JSON with one service, node or link per line (docs/city.md, "City file")."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ric_sim.domain.errors import InvalidInput, MalformedFile, UnknownKey
from ric_sim.domain.service import Direction, ServiceSpec, SliceId
from ric_sim.network.city import City, NodeKind
from ric_sim.network.city_assembly import NO_SERVICE, LinkRow, NodeRow, assemble_city
from ric_sim.network.city_checks import check_city, check_unique
from ric_sim.network.city_schema import (
    FORMAT,
    KIND_NAMES,
    KNOWN_KEYS,
    CityDocument,
    ComputeFields,
    LinkFields,
    NodeFields,
    ServiceFields,
    SwitchFields,
    UpfFields,
)
from ric_sim.network.near_match import did_you_mean

MAX_FILE_BYTES = 32 * 1024 * 1024

_TIERS = tuple(ComputeFields.model_fields)
_KINDS = {name: kind for kind, name in KIND_NAMES.items()}
_MOST_ERRORS = 3


def load_city(path: Path) -> City:
    """The city in a file.

    Raises:
        MalformedFile: unreadable, or anything in it is wrong; names file, place, what was expected and what to do.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MalformedFile(f"{path}: cannot be read ({error.strerror}); expected a city file, see docs/city.md") from None
    return city_from_json(content, source=str(path))


def save_city(city: City, path: Path) -> None:
    """Writes a city so that `load_city` gives it back with the same fingerprint."""
    path.write_bytes(city_to_json(city))


def city_from_json(data: bytes, *, source: str = "city") -> City:
    """Like `load_city`, from the content of a file; `source` stands for its name in messages."""
    document = _parsed(data, source)
    try:
        city = _assembled(document)
        check_city(city)
    except InvalidInput as error:
        raise MalformedFile(f"{source}: {error}") from None
    return city


def city_to_json(city: City) -> bytes:
    """The content of a city file; ends with a newline."""
    names = city.node_names
    head = {"format": FORMAT, "name": city.name, "profile": city.profile}
    links = zip(
        city.link_src.tolist(),
        city.link_dst.tolist(),
        city.link_capacity_kbps.tolist(),
        city.link_latency_us.tolist(),
        strict=True,
    )
    sections = {
        "services": [_service_line(spec) for spec in city.services],
        "nodes": [_node_line(city, node) for node in range(city.n_nodes)],
        "links": [
            {"from": names[source], "to": names[target], "capacity_kbps": capacity, "latency_us": latency}
            for source, target, capacity, latency in links
        ],
    }
    parts = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    parts += [f'"{key}": [\n{_lines(items)}\n]' for key, items in sections.items()]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _lines(items: Iterable[dict[str, Any]]) -> str:
    return ",\n".join("  " + json.dumps(item) for item in items)


def _service_line(spec: ServiceSpec) -> dict[str, Any]:
    line = {
        "key": spec.key,
        "label": spec.label,
        "slice_class": spec.slice_class,
        "sst": spec.slice_id.sst,
        "sd": spec.slice_id.sd,
        "directions": [direction.name.lower() for direction in spec.directions],
        "latency_budget_us": spec.latency_budget_us,
        "compute_ucore_per_kbps": dict(zip(_TIERS, spec.compute_ucore_per_kbps, strict=True)),
        "processing_ns": spec.processing_ns,
        "mean_bandwidth_kbps": spec.mean_bandwidth_kbps,
    }
    return line | ({"shares_upfs_of": spec.shares_upfs_of} if spec.shares_upfs_of else {})


def _node_line(city: City, node: int) -> dict[str, Any]:
    kind = NodeKind(int(city.node_kind[node]))
    line = {
        "name": city.node_names[node],
        "kind": KIND_NAMES[kind],
        "x_km": float(city.node_x_km[node]),
        "y_km": float(city.node_y_km[node]),
    }
    if kind.is_host:
        line["near"] = bool(city.near_host[node])
        line["compute_nominal_ucores"] = int(city.compute_nominal_ucores[node])
        line["compute_limit_ucores"] = int(city.compute_limit_ucores[node])
    if kind == NodeKind.UPF:
        line["service"] = city.services[int(city.upf_service[node])].key
    return line


def _assembled(document: CityDocument) -> City:
    check_unique("node", (fields.name for fields in document.nodes))
    check_unique("service", (fields.key for fields in document.services))
    services = tuple(_service(fields) for fields in document.services)
    service_index = {spec.key: index for index, spec in enumerate(services)}
    node_index = {fields.name: index for index, fields in enumerate(document.nodes)}
    return assemble_city(
        document.name,
        document.profile,
        nodes=[_node(fields, service_index) for fields in document.nodes],
        links=[_link(number, fields, node_index) for number, fields in enumerate(document.links)],
        services=services,
    )


def _service(fields: ServiceFields) -> ServiceSpec:
    compute = fields.compute_ucore_per_kbps
    return ServiceSpec(
        key=fields.key,
        label=fields.label,
        slice_class=fields.slice_class,
        slice_id=SliceId(fields.sst, fields.sd),
        directions=tuple(Direction[name.upper()] for name in fields.directions),
        latency_budget_us=fields.latency_budget_us,
        compute_ucore_per_kbps=(compute.o_ru, compute.o_du, compute.o_cu, compute.upf),
        processing_ns=fields.processing_ns,
        mean_bandwidth_kbps=fields.mean_bandwidth_kbps,
        shares_upfs_of=fields.shares_upfs_of,
    )


def _node(fields: NodeFields, service_index: dict[str, int]) -> NodeRow:
    kind = _KINDS[fields.kind]
    if isinstance(fields, SwitchFields):
        return NodeRow(fields.name, kind, fields.x_km, fields.y_km)
    service = NO_SERVICE
    if isinstance(fields, UpfFields):
        if fields.service not in service_index:
            raise UnknownKey(f"service of {fields.name}", fields.service, service_index)
        service = service_index[fields.service]
    return NodeRow(
        name=fields.name,
        kind=kind,
        x_km=fields.x_km,
        y_km=fields.y_km,
        near=fields.near,
        service=service,
        nominal_ucores=fields.compute_nominal_ucores,
        limit_ucores=fields.compute_limit_ucores,
    )


def _link(number: int, fields: LinkFields, node_index: dict[str, int]) -> LinkRow:
    for key, name in (("from", fields.source), ("to", fields.target)):
        if name not in node_index:
            hint = did_you_mean(name, node_index) or ": add it to nodes"
            raise InvalidInput(f"links[{number}].{key}: there is no node {name!r}{hint}")
    return LinkRow(node_index[fields.source], node_index[fields.target], fields.capacity_kbps, fields.latency_us)


class _DuplicateKey(ValueError):
    pass


def _parsed(data: bytes, source: str) -> CityDocument:
    if len(data) > MAX_FILE_BYTES:
        raise MalformedFile(f"{source}: larger than {MAX_FILE_BYTES} bytes, the most a city file may have")
    try:
        raw = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object_of_distinct_keys, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"{source}: no valid JSON ({error}); expected the format {FORMAT} of docs/city.md") from None
    try:
        return CityDocument.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        listed = "; ".join(_described(problem, raw) for problem in problems[:_MOST_ERRORS])
        more = f"; and {len(problems) - _MOST_ERRORS} more" if len(problems) > _MOST_ERRORS else ""
        raise MalformedFile(f"{source}: {listed}{more} (format: docs/city.md)") from None


def _object_of_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _DuplicateKey(f"the key {twice!r} occurs twice in one object")
    return content


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _described(problem: ErrorDetails, raw: Any) -> str:
    """Place, what is wrong there, and a near match for a word that does not exist."""
    place = _place(problem["loc"], raw)
    match problem["type"]:
        case "extra_forbidden":
            key = str(problem["loc"][-1])
            return f"{place}: " + (
                "this key does not belong here" if key in KNOWN_KEYS else f"unknown key{did_you_mean(key, KNOWN_KEYS)}"
            )
        case "missing" | "union_tag_not_found":
            return f"{place}: key missing, add it"
        case "union_tag_invalid":
            kind = problem["input"].get("kind")
            return f"{place}.kind: expected one of {', '.join(_KINDS)}, got {_shortened(kind)}{did_you_mean(str(kind), _KINDS)}"
        case _:
            return f"{place}: {problem['msg']}, got {_shortened(problem['input'])}"


def _place(location: tuple[int | str, ...], raw: Any) -> str:
    """`nodes[3] (du-0).near`: index and, where there is one, name; without the tag pydantic adds for the node's kind."""
    place, value = "", raw
    for step in location:
        if isinstance(step, int):
            place, value = f"{place}[{step}]", value[step]
            name = value.get("name", value.get("key")) if isinstance(value, dict) else None
            place += f" ({name})" if isinstance(name, str) and len(name) <= 64 else ""
        elif isinstance(value, dict) and step == value.get("kind") and step not in value:
            continue
        else:
            place = f"{place}.{step}" if place else step
            value = value.get(step) if isinstance(value, dict) else None
    return place or "top level"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
