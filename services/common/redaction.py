"""Keeps secrets out of what is printed: fields named after one, tokens, passwords in URLs, private keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_SECRET_NAMES = ("token", "password", "passwd", "secret", "authorization", "api_key", "private_key")
_NOT_SECRET_NAMES = ("tokens_file", "token_name")
_PATTERNS = (
    (re.compile(r"(://[^/\s:@'\"]*):[^/\s@'\"]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"\bricity_[A-Za-z0-9_-]{43}\b"), f"ricity_{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), HIDDEN),
)


def redact(text: str) -> str:
    """`text` with secrets hidden; anything else as it is."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_fields(value: Any, name: str = "") -> Any:
    """The same for a log line's fields, however deep; fields named after a secret are hidden whatever they hold."""
    if value and name not in _NOT_SECRET_NAMES and any(word in name.lower() for word in _SECRET_NAMES):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_fields(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_fields(each) for each in value]
    return value
