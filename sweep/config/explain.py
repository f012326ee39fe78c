"""Hydra's and OmegaConf's errors in one line that says what to do."""

import re
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from traceback import walk_tb

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from sweep.config.schema import GROUPS, SweepConf
from sweep.install import install

_FULL_KEY = re.compile(r"full_key: (\S+)")


def explain(error: BaseException) -> str:
    """One line for an error of composition: which key, what it got, what is allowed."""
    text = str(error)
    cause = str(error.__cause__ or "")
    if match := re.search(r"Could not (?:override|find) '([^']+)'", text):
        word = match[1]
        if options := re.search(r"Available options in '([^']+)':\n((?:\t.*\n?)+)", text):
            return _unknown_choice(word, options[1], options[2].split())
        return unknown_key(word)
    if match := re.search(r"Ambiguous value for argument '(.*)'", text):
        return f"{match[1]}: expected one value; `sweep -m` runs them all, quotes keep a comma"
    if isinstance(error, OverrideParseException):
        reason = _first_line(error)
        reason = "" if reason.startswith("Lexer") else f": {reason}"
        return f"cannot read `{error.override}`{reason}; special characters need quotes: key='...'"
    for source in (cause, text):
        if match := re.search(r"field '(\S+)' is not Optional", source):
            return f"{match[1]} = null: expected a value"
        if match := re.search(
            r"Value '(.*)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", source
        ):
            key = _key(source) or _key(text) or "a value"
            return f"{key} = {match[1]!r}: expected {_article(match[2])}"
        if match := re.search(r"Key '([^']+)' (?:is )?not in", source):
            return unknown_key(_key(source) or match[1])
    if text.startswith("Error merging override") and error.__cause__ is not None:
        return f"{text.split(maxsplit=3)[3]}: {_first_line(error.__cause__)}"
    return _first_line(error)


def from_composition(error: BaseException) -> bool:
    """Whether Hydra or OmegaConf raised it: then it is about what was asked for, not about us."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        return True
    raised_in = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return bool(raised_in) and raised_in[-1].split(".")[0] in ("hydra", "omegaconf")


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):  # it may open with the override itself
        lines = [line for line in lines if not line.startswith("Error parsing override")]
    return " ".join(lines[0].split()) if lines else type(error).__name__


def known_keys(group: str, choice: str | None = None) -> list[str]:
    """Dotted keys of a configuration group, of all its choices or of one."""
    schemas = GROUPS.get(group, {})
    picked = [schemas[choice]] if choice in schemas else list(schemas.values())
    return sorted({key for schema in picked for key in _keys(schema, f"{group}.")})


def _keys(schema: type, prefix: str) -> list[str]:
    keys = []
    for item in fields(schema):
        nested = item.default_factory() if callable(item.default_factory) else None  # pyright: ignore
        if is_dataclass(nested):
            keys += _keys(type(nested), f"{prefix}{item.name}.")
        else:
            keys.append(f"{prefix}{item.name}")
    return keys


def unknown_key(key: str) -> str:
    """One line for a key that no configuration has, or only another choice of its group."""
    group = key.split(".")[0]
    top = [item.name for item in fields(SweepConf)]
    if group == "hydra":
        return f"unknown key `{key}`; `sweep --cfg hydra` shows those that there are"
    if group == "experiment":
        return "experiment files are added with a plus: +experiment=<name>"
    if group not in GROUPS:
        leaves = [k for g in GROUPS for k in known_keys(g) if k.split(".", 1)[1] == key]
        hint = f"; did you mean `{leaves[0]}`?" if leaves else _hint(group, top)
        return f"unknown key `{key}`{hint}; the groups are {', '.join(top)}"
    owners = [name for name, schema in GROUPS[group].items() if key in _keys(schema, f"{group}.")]
    if owners:
        some = "the solvers of " if group == "solver" and "newton" not in owners else f"{group}="
        return f"`{key}` is a key of {some}{' or '.join(owners)} only: choose that too"
    keys = known_keys(group)
    return f"unknown key `{key}`{_hint(key, keys)}; {group} has {', '.join(keys)}"


def _unknown_choice(word: str, group: str, choices: list[str]) -> str:
    name = word.rsplit("/", 1)[-1]
    if (group, name) == ("hydra/sweeper", "optuna"):
        return f"hydra/sweeper=optuna needs Optuna's plugin, which is not here: {install('optuna')}"
    return (
        f"unknown {group} `{name}`{_hint(name, choices)}; choose from {', '.join(sorted(choices))}"
    )


def _hint(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _key(text: str) -> str | None:
    match = _FULL_KEY.search(text)
    return match[1] if match else None


def _article(kind: str) -> str:
    return {"Integer": "an integer", "Float": "a number", "bool": "true or false"}.get(kind, kind)
