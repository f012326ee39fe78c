"""docs/interface.md is the public interface; notebooks and documentation keep to it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "interface.md"

INTERFACE = {
    module: re.findall(r"`(\w+)`", names)
    for module, names in re.findall(r"^\| `([\w.]+)` \| (.*?) \|", PAGE.read_text(), re.M)
}

READ = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "analysis").glob("*.*")]
"""Where users see how the library is imported."""

KNOWN_AS = {"sweep": "sweep", "plots": "sweep.plots"}
"""Modules by the names under which what is in them is used."""


@pytest.mark.parametrize("name", INTERFACE)
def test_the_page_has_all_public_names_of_a_module(name: str) -> None:
    module = importlib.import_module(name)
    defined = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == name]
    assert sorted(INTERFACE[name]) == sorted(getattr(module, "__all__", defined))
    assert all(hasattr(module, public) for public in INTERFACE[name])


@pytest.mark.parametrize("file", READ, ids=lambda f: f.name)
def test_what_users_read_imports_public_names_only(file: Path) -> None:
    for module, name in (used for source in sources(file) for used in imports(source)):
        whole = f"{module}.{name}"
        assert whole in INTERFACE or name in INTERFACE.get(module, ()), f"{file.name}: {whole}"


def sources(file: Path) -> list[str]:
    """The Python of a notebook, or of the blocks of a page."""
    if file.suffix == ".ipynb":
        cells = nbformat.read(file, as_version=4).cells
        return [cell.source for cell in cells if cell.cell_type == "code"]
    return re.findall(r"^```python\n(.*?)^```", file.read_text(), re.M | re.S)


def imports(source: str) -> Iterator[tuple[str, str]]:
    """(module, name) of all that is taken from sweep."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [alias.name.rpartition(".") for alias in node.names if alias.name != "sweep"]
            yield from ((module, name) for module, _, name in found if module.startswith("sweep"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sweep":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from ((m, node.attr) for m in [KNOWN_AS.get(node.value.id)] if m is not None)
