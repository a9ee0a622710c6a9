"""What an xApp is: its descriptor checked and unfolded into what a driver starts.

Field names are those of the O-RAN SC xApp descriptor (`xapp_name`, `version`, `containers`, probes, `messaging`, `metrics`,
`controls`) and, beside them, those of Ricity's `xapp.yaml` (`module`, `services`, `dus`, `env`, `subscriptions`, `resources`).
One field is wider than O-RAN SC's schema: an image registry may be any host with or without a port, `localhost:5000` and bare
addresses too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jsonschema import Draft7Validator

from ric_sim.domain.errors import MalformedFile

SEMVER_PATTERN = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
NAME_PATTERN = r"^[a-z][a-z0-9-]{0,63}$"
MAX_NAME_LENGTH = 64
MAX_INSTANCES_OF_ONE = 64
_SERVICE_MARK, _DU_MARK = "{service}", "{du}"
_SHOWN_ISSUES = 5


def _object(required: tuple[str, ...] = (), /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: Any, **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


_TEXT = {"type": "string", "maxLength": 1024}
_WORD = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\x00]*$"}
_KEY = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"}
_COMMAND = {"anyOf": [_list(_WORD, minItems=1, maxItems=64), _WORD]}
_IMAGE = _object(
    ("registry", "name", "tag"),
    registry={"type": "string", "pattern": r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])?(:\d{1,5})?$"},
    name={"type": "string", "pattern": r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$"},
    tag={"type": "string", "pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"},
)
_PROBE = {
    **_object(
        exec=_object(("command",), command=_COMMAND),
        httpGet=_object(
            ("path",),
            path={"type": "string", "pattern": "^/"},
            port={"anyOf": [_WORD, {"type": "integer", "minimum": 1, "maximum": 65535}]},
        ),
        initialDelaySeconds={"type": "integer", "minimum": 0},
        periodSeconds={"type": "integer", "minimum": 1},
    ),
    "oneOf": [{"required": ["exec"]}, {"required": ["httpGet"]}],
}
_PORT = _object(
    ("name", "container", "port"),
    name=_WORD,
    container=_WORD,
    port={"type": "integer", "minimum": 1, "maximum": 65535},
    rxMessages=_list(_WORD),
    txMessages=_list(_WORD),
    policies=_list({"type": "integer"}),
    description=_TEXT,
)
_METRIC = _object(
    ("objectName", "objectInstance", "name", "type", "description"),
    **dict.fromkeys(("objectName", "objectInstance", "name", "type", "description"), _TEXT),
)
_REPORT = _object(
    ("measurements", "period_ms"), measurements=_list(_WORD, minItems=1), period_ms={"type": "integer", "minimum": 1}
)

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **_object(
        ("xapp_name", "version"),
        xapp_name={"type": "string", "pattern": r"^[a-z][a-z0-9-]*(\{service\}|\{du\})?$", "maxLength": 48},
        version={"type": "string", "pattern": SEMVER_PATTERN, "maxLength": 64},
        containers=_list(_object(("name", "image"), name=_WORD, image=_IMAGE, command=_COMMAND), minItems=1, maxItems=1),
        livenessProbe=_PROBE,
        readinessProbe=_PROBE,
        messaging=_object(("ports",), ports=_list(_PORT)),
        metrics=_list(_METRIC),
        controls={"anyOf": [{"type": "object"}, _list(_WORD)]},
        description=_TEXT,
        module={"type": "string", "pattern": r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$", "maxLength": 128},
        services=_list(_KEY, minItems=1, maxItems=MAX_INSTANCES_OF_ONE, uniqueItems=True),
        dus={"type": "integer", "minimum": 0, "maximum": MAX_INSTANCES_OF_ONE},
        env={
            "type": "object",
            "propertyNames": {"pattern": "^RICITY_[A-Z0-9_]+$"},
            "additionalProperties": {"type": "string", "maxLength": 4096, "pattern": "^[^\\x00]*$"},
        },
        subscriptions=_object(
            inserts=_list(_WORD), reports=_list(_REPORT), frames={"type": "boolean"}, experience={"type": "boolean"}
        ),
        resources=_object(
            cpus={"type": "number", "exclusiveMinimum": 0, "maximum": 64}, memory_mib={"type": "integer", "minimum": 64}
        ),
    ),
    "anyOf": [{"required": ["containers"]}, {"required": ["module"]}],
}
"""JSON schema of a descriptor. The standard allows several containers; an xApp here is one."""

_VALIDATOR = Draft7Validator(SCHEMA)


class Place(StrEnum):
    """What an xApp attaches to."""

    RIC = "ric"
    RADIO = "radio"  # the radio network: it decides frames of an O-DU
    CRITIC = "critic"  # it is the critic, to which the dApps attach


def place_of(document: Mapping[str, Any]) -> Place:
    """What the xApps of a descriptor attach to, by what they subscribe to."""
    wanted = document.get("subscriptions", {})
    return Place.RADIO if wanted.get("frames") else Place.CRITIC if wanted.get("experience") else Place.RIC


def du_of(name: str, document: Mapping[str, Any]) -> int:
    """The O-DU that a dApp decides for, given its name and its checked descriptor."""
    before, mark, after = document["xapp_name"].partition(_DU_MARK)
    index = name.removeprefix(before).removesuffix(after) if mark else document.get("env", {}).get("RICITY_DU", "0")
    return int(index)


@dataclass(frozen=True, slots=True)
class XappVersion:
    """One version of one xApp, ready to be started.

    Attributes:
        name: as it registers at the RIC, e.g. `routing-video`.
        module: started with `python -m`; empty if the descriptor has only a container.
        image: of its container; empty if the descriptor has only a module.
        command: of its container; empty for the image's own.
        env: `RICITY_*` variables of every instance.
        subscriptions: how many it takes part in at the RIC once it works.
        place: what it attaches to.
        document: the descriptor as it was onboarded.
    """

    name: str
    version: str
    module: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    subscriptions: int = 1
    place: Place = Place.RIC
    cpus: float = 1.0
    memory_mib: int = 512
    document: Mapping[str, Any] = field(default_factory=dict)


def unfold(document: Any) -> tuple[XappVersion, ...]:
    """The xApps of a descriptor: one per service or O-DU if it has `services` or `dus`, else one.

    Raises:
        MalformedFile: does not fit the schema; names every field that does not (the first few).
    """
    issues = sorted(_VALIDATOR.iter_errors(document), key=lambda issue: list(map(str, issue.absolute_path)))
    if issues:
        said = "; ".join(f"{issue.json_path.removeprefix('$.')}: {issue.message[:200]}" for issue in issues[:_SHOWN_ISSUES])
        raise MalformedFile(f"descriptor: {said}: see the fields in docs/upgrade.md")
    _check_numbers(document)
    name, keys = document["xapp_name"], _keys(document)
    mark = _SERVICE_MARK if "services" in document else _DU_MARK if document.get("dus") else ""
    if bool(mark) != ("{" in name) or mark not in name:
        raise MalformedFile(f"descriptor: xapp_name {name!r}: {{service}} in it and `services` go together, and {{du}} and `dus`")
    if too_long := [key for key in keys if len(name.replace(mark, key) if mark else name) > MAX_NAME_LENGTH]:
        raise MalformedFile(f"descriptor: xapp_name {name!r} for {too_long[0]!r}: at most {MAX_NAME_LENGTH} characters")
    return tuple(_version(document, mark, key) for key in keys)


def _check_numbers(document: Any) -> None:
    """NaN passes every bound."""
    try:
        json.dumps(document, allow_nan=False)
    except ValueError as error:
        raise MalformedFile(f"descriptor: a number that is not finite ({error})") from error


def _keys(document: Mapping[str, Any]) -> tuple[str, ...]:
    if "services" in document:
        return tuple(document["services"])
    return tuple(str(du) for du in range(int(document.get("dus", 0)))) or ("",)


def _version(document: Mapping[str, Any], mark: str, key: str) -> XappVersion:
    told = {"": {}, _SERVICE_MARK: {"RICITY_SERVICE": key}, _DU_MARK: {"RICITY_DU": key}}[mark]
    container = document.get("containers", [{}])[0]
    image, command = container.get("image"), container.get("command", [])
    wanted = document.get("subscriptions", {})
    resources = document.get("resources", {})
    return XappVersion(
        name=document["xapp_name"].replace(mark, key) if mark else document["xapp_name"],
        version=document["version"],
        module=document.get("module", ""),
        image=_image_name(image) if image else "",
        command=(command,) if isinstance(command, str) else tuple(command),
        env={**document.get("env", {}), **told},
        subscriptions=max(1, bool(wanted.get("inserts")) + len(wanted.get("reports", ()))),
        place=place_of(document),
        cpus=float(resources.get("cpus", 1.0)),
        memory_mib=int(resources.get("memory_mib", 512)),
        document=document,
    )


def _image_name(image: Mapping[str, str]) -> str:
    prefix = f"{image['registry']}/" if image["registry"] else ""
    return f"{prefix}{image['name']}:{image['tag']}"
