"""`python -m xapps.sdk.new_xapp NAME`: a new xApp from the template, with its test. Called by `make new-xapp NAME=...`."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

from ric_sim.domain.errors import Conflict, InvalidInput, RicityError
from xapps.sdk.descriptor import DESCRIPTOR_NAME, XAPPS_FOLDER

TEMPLATE_FOLDER = XAPPS_FOLDER / "_template"
TEMPLATE_TEST = XAPPS_FOLDER.parent / "tests" / "contract" / "xapps" / "test_template.py"

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_MAX_NAME_LENGTH = 32


def create_xapp(name: str, *, root: Path = XAPPS_FOLDER.parent) -> list[Path]:
    """Copies the template under another name.

    Args:
        name: snake_case or kebab-case, e.g. `load_balancer`; becomes xapps/load_balancer, xApp `load-balancer`, class
            `LoadBalancerAgent` and tests/contract/xapps/test_load_balancer.py.
        root: of the project.
    Returns:
        The files it made.
    Raises:
        InvalidInput: no usable name. Conflict: there is such an xApp, or such a test. Nothing was written.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME_LENGTH or keyword.iskeyword(name):
        raise InvalidInput(
            f"xApp name {name!r}: expected up to {_MAX_NAME_LENGTH} lower-case letters and digits in words joined by '_', "
            "e.g. NAME=load_balancer"
        )
    module = name.replace("-", "_")
    folder = root / "xapps" / module
    test = root / "tests" / "contract" / "xapps" / f"test_{module}.py"
    for path in (folder, test):
        if path.exists():
            raise Conflict(f"{path.relative_to(root)} exists: choose another name or remove it first")
    copies = {folder / path.relative_to(TEMPLATE_FOLDER): path for path in _template_files()} | {test: TEMPLATE_TEST}
    texts = {target: _renamed(source.read_text(encoding="utf-8"), module) for target, source in copies.items()}
    for target, text in texts.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return list(texts)


def _template_files() -> list[Path]:
    kinds = {".py", ".md", Path(DESCRIPTOR_NAME).suffix}
    return [path for path in sorted(TEMPLATE_FOLDER.rglob("*")) if path.suffix in kinds]


def _renamed(text: str, module: str) -> str:
    words = module.split("_")
    class_name = "".join(word.capitalize() for word in words)
    text = text.replace("xapps._template", f"xapps.{module}").replace("xapps/_template", f"xapps/{module}")
    text = text.replace("Template", class_name)
    text = re.sub(r"\btemplate\b(?=\.summary)", module, text)
    text = re.sub(r"\btemplate\b", "-".join(words), text)
    return re.sub(r"(^from xapps\..*\n)+", _sorted_lines, text, flags=re.MULTILINE)


def _sorted_lines(block: re.Match[str]) -> str:
    """The new name may stand on the other side of `xapps.sdk`; the linter wants imports in order."""
    return "".join(sorted(block[0].splitlines(keepends=True), key=lambda line: line.split(" import ")[0]))


def main(arguments: list[str]) -> int:
    """Exit code 0, or 2 when the name will not do."""
    try:
        if len(arguments) != 1 or not arguments[0]:
            raise InvalidInput("expected one name, e.g. make new-xapp NAME=load_balancer")
        made = create_xapp(arguments[0])
    except RicityError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    root = XAPPS_FOLDER.parent
    folder, test = made[0].parent.relative_to(root), made[-1].relative_to(root)
    sys.stdout.write(
        f"made {folder} ({len(made) - 1} files) and {test}\n"
        f"next: read {folder}/README.md, then put your thought into {folder}/agent.py\n"
        f"test: .venv/bin/pytest {test}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
