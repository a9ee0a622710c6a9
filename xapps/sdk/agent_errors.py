"""The log of an agent's defects: every one a line, a traceback now and then."""

from __future__ import annotations

from typing import Any

_ERRORS_PER_TRACEBACK = 100
"""Writing a traceback costs more than many decisions; an agent that always fails must not drown the others' work."""


class AgentErrorLog:
    """Logs what an agent raised as `agent.failed`; the first of every so many with its traceback."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._count = 0

    def add(self, error: Exception, **facts: str) -> None:
        """To be called while the error is being handled; `facts` say what the agent was given."""
        with_traceback = self._count % _ERRORS_PER_TRACEBACK == 0
        self._count += 1
        self._log.error("agent.failed", error=repr(error), exc_info=with_traceback, **facts)
