"""Parameters and components are the model's: no other code has a list of them."""

import ast
from pathlib import Path

import pytest

import sweep
from sweep.model import KNOWN

ROOT = Path(sweep.__file__).parent

OWN = ("model", "sky", "importing", "testing")
"""Models, skies, results of another program, and experiments for tests know names of their own."""

MODULES = [f for f in ROOT.rglob("*.py") if f.relative_to(ROOT).parts[0] not in OWN]


def names_in(source: str) -> set[str]:
    """Known parameters that stand in code: as a text, an attribute, a name or a keyword."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found |= {name for name in KNOWN if name in node.value}
        fields = {str(getattr(node, field, None)) for field in ("attr", "id", "arg")}
        found |= fields & KNOWN.keys()
    return found


def test_a_name_would_be_seen() -> None:
    assert names_in('x = conf.beta_dust\ny = ["clusters.beta_pl"]') == {"beta_dust", "beta_pl"}
    assert not names_in('"""About beta_dust."""')


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_code_names_no_parameter(file: Path) -> None:
    assert not names_in(file.read_text(encoding="utf-8"))
