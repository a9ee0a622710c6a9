"""A descriptor as people paste it: YAML, of which JSON is a part."""

from __future__ import annotations

import json

import yaml

from ric_sim.domain.errors import MalformedFile, OversizeMessage

MAX_BYTES = 64 * 1024


class _PlainLoader(yaml.SafeLoader):
    """Without aliases: a short text with them may stand for a document of any size."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise MalformedFile("descriptor: an alias (`*name`): write out what it stands for")
        return super().compose_node(parent, index)


def descriptor_json(text: bytes) -> bytes:
    """The same document as JSON; blocks for up to a second on the longest text.

    Raises:
        OversizeMessage: more than `MAX_BYTES`.
        MalformedFile: no YAML, or something that JSON does not have (a date, infinity); says where.
    """
    if len(text) > MAX_BYTES:
        raise OversizeMessage(f"descriptor: {len(text)} bytes, expected at most {MAX_BYTES} bytes")
    try:
        document = yaml.load(text.decode(), _PlainLoader)
        return json.dumps(document, allow_nan=False).encode()
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: " if error.problem_mark else ""
        raise MalformedFile(f"descriptor: {where}{error.problem or error.context or 'no YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedFile(f"descriptor: neither YAML nor JSON: {str(error)[:200]}") from error
    except (TypeError, ValueError) as error:
        raise MalformedFile(f"descriptor: {str(error)[:200]}: expected texts, numbers, lists and mappings") from error
