"""House rules that no linter knows: sizes, names, documents that stay true, and what may not stand in a file."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE_LINES = 500
LONGEST_FUNCTION_LINES = 80
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "misc", "common_utils", "tools"}
LIBRARY_NAMES = {"redis", "logging", "grpc", "numpy", "json", "yaml", "typing"}


def _tracked(*patterns):
    """Files of the project that git knows or would add, generated ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if not name.startswith("proto/gen/") and (ROOT / name).is_file()]


SOURCES = _tracked("*.py")
DOCUMENTS = _tracked("*.md")


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", sorted({_name(path).partition("/")[0] for path in SOURCES}))
def test_files_stay_readable(folder):
    for path in SOURCES:
        if _name(path).partition("/")[0] == folder:
            _is_readable(path)


def _is_readable(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE_LINES, _name(path)
    assert path.stem not in VAGUE_MODULES | LIBRARY_NAMES, f"{_name(path)}: say what the module is about"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION_LINES, f"{_name(path)}: {node.name}"


def test_the_doorway_stays_short_and_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    assert makefile.count("\n") <= 120
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE))
    described = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, flags=re.MULTILINE))
    assert targets == described
    wanted = "help setup run test test-fast test-e2e test-compose check up down logs proto bench new-xapp clean"
    assert set(wanted.split()) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_documents_name_targets_that_exist(path):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`|\s{4})make ([a-z][a-z-]*)", path.read_text(), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{_name(path)} names `make {target}`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_documents_link_to_files_that_exist(path):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if not link.startswith(("http://", "https://")):
            assert (path.parent / link).exists(), f"{_name(path)} links to {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_documents_show_commands_that_exist(path):
    from services.cli.main import app

    groups = {group.name: group.typer_instance for group in app.registered_groups}
    single = {command.name for command in app.registered_commands}
    for words in re.findall(r"\bricity ((?:[a-z0-9-]+)(?: [a-z0-9-]+)?)", "\n".join(_code(path.read_text()))):
        first, _, second = words.partition(" ")
        assert first in single | set(groups), f"{_name(path)} shows `ricity {words}`"
        if first in groups and second:
            commands = {command.name or command.callback.__name__ for command in groups[first].registered_commands}
            assert second in commands, f"{_name(path)} shows `ricity {words}`"


def _code(markdown):
    """Indented, fenced and inline code of a document."""
    yield from re.findall(r"^ {4}\S.*$", markdown, flags=re.MULTILINE)
    yield from re.findall(r"^```[a-z]*\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`(ricity [^`]+)`", markdown)


@pytest.mark.parametrize("path", _tracked(":(glob)ric_sim/store/lua/*.lua"), ids=_name)
def test_a_store_script_opens_with_its_contract(path):
    header = path.read_text().split("\n\n")[0]
    assert re.search(r"-\d+\.lua$", path.name), "a script's name ends in its number of keys"
    for part in ("KEYS", "ARGV", "Returns"):
        assert part in header, f"{path.name}: the header must say {part}"


def test_the_generated_protocol_code_is_up_to_date(tmp_path):
    subprocess.run([ROOT / "proto" / "generate.sh", tmp_path], check=True, capture_output=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.py*") if "__pycache__" not in path.parts}
    kept = {
        path.relative_to(ROOT / "proto" / "gen"): path.read_text()
        for path in (ROOT / "proto" / "gen").rglob("*.py*")
        if "__pycache__" not in path.parts
    }
    assert made == kept, "run `make proto` and commit the result"


def test_every_pinned_library_fits_what_the_project_asks_for():
    from tomllib import loads

    from packaging.requirements import Requirement
    from packaging.version import Version

    project = loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().split("\n")
    pinned = {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines if "==" in line)}
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name != "ricity":
            assert Version(pinned[requirement.name.lower().replace("_", "-")]) in requirement.specifier, requirement
