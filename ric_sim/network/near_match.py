"""Suggestions for misspelt names in city and flow files."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_LEAST_LIKENESS = 0.6
_LONGEST_WORD = 64


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the option most like `word` (the first of equals), empty if none is like it."""
    word = word[:_LONGEST_WORD]
    likeness = {option: SequenceMatcher(None, word, option).ratio() for option in options}
    likest = max(likeness, key=lambda option: likeness[option], default="")
    return f", did you mean {likest!r}?" if likeness.get(likest, 0.0) >= _LEAST_LIKENESS else ""
