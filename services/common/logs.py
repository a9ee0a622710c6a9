"""JSON lines on stdout: `event` is a stable dotted name, data are fields."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from services.common.redaction import redact_fields


def _hide_secrets(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: redact_fields(value, key) for key, value in fields.items()}


def configure_logs(component: str, *, level: str = "INFO") -> Any:
    """Sets up logging for the process once and returns its logger. Secrets are hidden (`services.common.redaction`).

    Args:
        component: stands in every line, e.g. `ric` or `routing-video`.
        level: DEBUG, INFO, WARNING or ERROR.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            _hide_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger().bind(component=component)
