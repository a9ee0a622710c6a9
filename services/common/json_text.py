"""Text that came as JSON and cannot be written again: `"\\ud800"`, half of a surrogate pair, is JSON and no Unicode text."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from ric_sim.domain.errors import InvalidInput


def check_text(document: Any) -> None:
    """Raises `InvalidInput` for a JSON document with such text in a key or value: kept, it would break every later answer."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "the body has half of a surrogate pair in a text (\\ud800 to \\udfff): send whole characters"
        ) from error


async def whole_text(request: Request) -> None:
    """`check_text` of a request's JSON body, as a dependency of its route; what is no JSON is left to the route."""
    body = await request.body()
    if b"\\ud" not in body.lower():
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    check_text(document)


def writable(text: str) -> str:
    """A text with `?` in the place of what cannot be written: for messages that quote what somebody sent."""
    return text.encode(errors="replace").decode()
