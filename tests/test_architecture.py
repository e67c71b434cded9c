"""What docs/architecture.md promises about the code's shape."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import PROJECT

APPS = ("monitoring", "interconnect", "vitals", "sessions_app", "audit", "epicops")
MAY_IMPORT = {
    "monitoring": set(APPS),
    "interconnect": {"vitals", "audit", "epicops"},
    "vitals": {"audit", "epicops"},
    "sessions_app": {"audit", "epicops"},
    "audit": {"epicops"},
    "epicops": set(),
}
MODULE_LINES = 250
FUNCTION_LINES = 40


def modules() -> Iterator[Path]:
    for app in APPS:
        yield from (path for path in sorted((PROJECT / app).rglob("*.py")) if "migrations" not in path.parts)


def imported_apps(path: Path) -> set[str]:
    """The apps of ours that a module imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names} & set(APPS)


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_imports_go_one_way(path: Path) -> None:
    app = path.relative_to(PROJECT).parts[0]

    assert imported_apps(path) <= MAY_IMPORT[app] | {app}


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_modules_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert len(text.splitlines()) <= MODULE_LINES
    assert not [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES]


def test_every_variable_is_documented() -> None:
    sources = [path.read_text() for path in modules()]
    readers = "|".join(re.findall(r"^def (\w+)", (PROJECT / "epicops" / "environment.py").read_text(), re.MULTILINE))
    read = {name for source in sources for name in re.findall(rf"""(?:env\.\w+|{readers})\(\s*f?"([A-Z_]+)""", source)}
    documented = set(re.findall(r"`EPICOPS_([A-Z_]+)`", (PROJECT / "docs" / "configuration.md").read_text()))

    assert read == documented


def test_every_key_is_documented() -> None:
    source = (PROJECT / "epicops" / "keys.py").read_text()
    written = set(re.findall(r'"([^"\n]*:[^"\n]*)"$', source, re.MULTILINE))
    page = (PROJECT / "docs" / "redis-keys.md").read_text()

    assert len(written) >= 7
    assert not [key for key in written if f"`{key}`" not in page]
