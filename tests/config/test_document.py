"""docs/configuration.md and `sweep --help` say what the configuration is."""

import pytest

from sweep.cli.run import help_text
from sweep.config.checks import at_least, auto_or, healpix_nside, one_of, positive
from sweep.config.document import PROSE, allowed, choices, document, keys, schema_of
from sweep.config.schema import GROUPS
from sweep.quantities.table import VARIABLES

PAGE = PROSE.with_name("configuration.md")
CHOICES = [(group, choice) for group in (*GROUPS, "experiment") for choice in choices(group)]


@pytest.fixture(scope="module")
def page():
    return document()


def test_committed_page_is_what_the_generator_gives(page):
    assert PAGE.read_text(encoding="utf-8") == page, "run `make docs`"


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_is_on_the_page_and_in_the_help(page, group, choice):
    lines = help_text().split(f"\n  {group} ")[1].split("\n")
    listed = [lines[0]]
    for line in lines[1:]:
        if not line.startswith("   "):
            break
        listed.append(line)
    assert choice in "\n".join(listed).replace(",", " ").replace(":", " ").replace(";", " ").split()
    if group != "experiment":
        assert f"`{choice}`" in page or f"`{group}={choice}`" in page


@pytest.mark.parametrize("group", GROUPS)
def test_every_key_is_on_the_page(page, group):
    for schema in GROUPS[group].values():
        found = list(keys(schema, f"{group}."))
        assert found or group == "model"
        for key in found:
            assert f"| `{key}` |" in page


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_has_a_schema(group):
    for choice in choices(group):
        assert schema_of(group, choice) in GROUPS[group]


def test_page_has_no_mark_left(page):
    assert "<!-- generated" not in page


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (at_least(1), "at least 1"),
        (positive, "positive"),
        (one_of("a", "b"), "one of a, b"),
        (healpix_nside, "a power of two"),
        (auto_or(at_least(1)), "auto or an integer, at least 1"),
    ],
)
def test_allowed_is_what_the_error_asks_for(check, text):
    assert allowed(check) == text


@pytest.mark.parametrize("name", VARIABLES)
def test_store_page_has_every_variable_with_its_unit(name):
    text = PAGE.with_name("store.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"| {VARIABLES[name].unit} |" in row


def test_the_help_fits_a_terminal():
    assert max(map(len, help_text().splitlines())) <= 80
