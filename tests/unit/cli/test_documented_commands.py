"""Every `ricity ...` that the documentation and `make results` name is one that the command line takes."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from typer import TyperException

from benchmarks import publish
from services.cli.main import app
from tests.harness import repository

PAGES = [repository() / "README.md", *sorted((repository() / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?ricity (?P<words>.*)$", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```|((?:^    .*\n)+)", re.MULTILINE | re.DOTALL)
"""Code: between fences, or indented."""

NOT_WORDS = re.compile(r"\s(?:#|\(|>|\||&&|;|→|…).*$")
"""What follows a command in a line of a page."""


def documented() -> list[tuple[str, str]]:
    """Page and words of every command."""
    found = [("make results", words.replace("{scratch}", "/tmp")) for words in publish.COMMANDS.values()]
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            text = re.sub(r"^ {4}", "", block[1] or block[2], flags=re.MULTILINE).replace("\\\n", " ")
            found += [(page.name, NOT_WORDS.sub("", match["words"]).strip()) for match in COMMAND.finditer(text)]
    return [(page, words) for page, words in found if "..." not in words.split()]


def take(words: list[str]) -> None:
    """Reads the words as the command line does, and stops before anything is done."""
    command = typer.main.get_command(app)
    context = command.make_context("ricity", words, resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, words, parent=context)


@pytest.mark.parametrize(("page", "words"), documented())
def test_what_is_documented_is_taken(page, words):
    take(shlex.split(words))


def test_commands_are_found_and_wrong_ones_refused():
    assert len(documented()) > 50
    with pytest.raises(TyperException, match="valid integer"):
        take(["eval", "slicing", "--seeds", "911,912"])
