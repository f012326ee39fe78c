"""Hydra's and OmegaConf's errors in one line that says what to do."""

import re
from dataclasses import fields, is_dataclass
from difflib import get_close_matches

from sweep.config.schema import GROUPS, SweepConf

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
    for source in (cause, text):
        if match := re.search(
            r"Value '(.*)' of type '\w+' could not be converted to (\w+)", source
        ):
            key = _key(source) or _key(text) or "a value"
            return f"{key} = {match[1]!r}: expected {_article(match[2])}"
        if match := re.search(r"Key '([^']+)' (?:is )?not in", source):
            return unknown_key(_key(source) or match[1])
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return " ".join(first.split())


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
    if group not in GROUPS:
        return f"unknown key `{key}`{_hint(group, top)}; the groups are {', '.join(top)}"
    owners = [name for name, schema in GROUPS[group].items() if key in _keys(schema, f"{group}.")]
    if owners:
        return f"`{key}` is a key of {group}={' or '.join(owners)} only: choose that too"
    keys = known_keys(group)
    return f"unknown key `{key}`{_hint(key, keys)}; {group} has {', '.join(keys)}"


def _unknown_choice(word: str, group: str, choices: list[str]) -> str:
    name = word.rsplit("/", 1)[-1]
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
    return {"Integer": "an integer", "Float": "a number", "Boolean": "true or false"}.get(
        kind, kind
    )
