"""docs/configuration.md, from dataclasses and YAML files: `python -m sweep.config.document`.

Keys, defaults, bounds and choices are read from where they live; the prose around them is
docs/configuration.in.md.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from omegaconf import MISSING

from sweep.config.checks import Check, settings
from sweep.config.compose import compose, config_dir
from sweep.config.groups.parameters import ParameterConf, PriorConf
from sweep.config.schema import GROUPS, SweepConf
from sweep.config.scientific import NOT_SCIENTIFIC
from sweep.model import ABOUT, FITTED, KNOWN

PROSE = Path(__file__).resolve().parents[2] / "docs" / "configuration.in.md"
"""In the checkout only: the page is made where it is kept."""

_MARK = re.compile(r"<!-- generated: ([\w-]+) -->")

_TYPES = {int: "integer", float: "number", bool: "true or false", str: "text", type(None): "null"}


def document() -> str:
    """The whole page, Markdown: the prose of `PROSE` with its marks replaced by tables."""
    return _MARK.sub(lambda mark: _generated(mark[1]), PROSE.read_text(encoding="utf-8"))


def _generated(part: str) -> str:
    if part == "notice":
        return "<!-- Made by `make docs` from docs/configuration.in.md and sweep/config. -->"
    if part == "top":
        return _table(_rows(SweepConf, ""))
    if part == "demo":
        return (config_dir() / "experiment" / "demo.yaml").read_text(encoding="utf-8").strip()
    if part == "not-scientific":
        return "\n".join(f"- `{pattern}`" for pattern in NOT_SCIENTIFIC)
    return "\n\n".join(_group(part))


def choices(group: str) -> list[str]:
    """Names of the YAML files of a configuration group, sorted."""
    return sorted(file.stem for file in (config_dir() / group).glob("*.yaml"))


def schema_of(group: str, choice: str) -> str:
    """Name of the dataclass in `GROUPS[group]` that a YAML file builds on."""
    file = config_dir() / group / f"{choice}.yaml"
    defaults = yaml.safe_load(file.read_text(encoding="utf-8"))["defaults"]
    prefix = f"/schema/{group}/"
    return next(
        str(entry).removeprefix(prefix).removesuffix("@_here_")
        for entry in defaults
        if str(entry).startswith(prefix)
    )


def keys(schema: type, prefix: str) -> Iterator[str]:
    """Dotted keys of a dataclass that a user sets."""
    return (key for key, *_ in _rows(schema, prefix))


def allowed(check: Check) -> str:
    """What a check asks for: its own words about values that no check takes."""
    complaints = []
    for probe in ("?", -1):
        try:
            complaint = check(probe)
        except TypeError:
            continue
        if complaint:
            complaints.append(complaint.removeprefix("must be ").split(":")[0])
    return ", ".join(dict.fromkeys(complaints))


def _group(group: str) -> Iterator[str]:
    names = choices(group)
    if len(names) > 1:
        yield _choices_table(group, names)
    else:
        yield f"One choice: `{group}={names[0]}`."
    if group == "model":
        yield _parameters_table()
    for name, schema in GROUPS[group].items():
        rows = list(_rows(schema, f"{group}."))
        users = [choice for choice in names if schema_of(group, choice) == name]
        if len(GROUPS[group]) > 1:
            listed = ", ".join(f"`{group}={user}`" for user in users)
            yield f"Keys of {listed}:" if len(users) < 4 else f"Keys of the other {len(users)}:"
        if rows:
            yield _table(rows)


def _choices_table(group: str, names: list[str]) -> str:
    lines = ["| choice | what it is |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {_about(group, name)} |" for name in names])


def _about(group: str, choice: str) -> str:
    if group == "instrument":
        bands = compose([f"instrument={choice}"]).instrument
        low, high = min(bands.frequency), max(bands.frequency)
        return f"{len(bands.frequency)} bands, {low:g} to {high:g} GHz; {bands.source}"
    if group == "solver":
        return _solver(choice)
    if group == "parameters":
        return BOXES[choice]
    if group == "model":
        return ABOUT[choice].rstrip(".")
    return _first_line(GROUPS[group][schema_of(group, choice)])


def _solver(name: str) -> str:
    if name.startswith("adabk"):
        share = 10 * int(name.removeprefix("adabk"))
        freed = f"at most {share} %" if share else "one"
        return f"jax-cadre's active set on AdaBelief; a step frees {freed} of the parameters"
    return SOLVERS[name]


_PROJECTED = "projected onto the box"
_LOGISTIC = "the box by a logistic change of variables"

SOLVERS = {
    "active_set": "jax-cadre's active set on Adam",
    "active_set_adabelief": "jax-cadre's active set on AdaBelief; the same as `adabk1`",
    "active_set_adaw": "jax-cadre's active set on AdamW",
    "active_set_sgd": "jax-cadre's active set on gradient descent",
    "adabelief": f"optax AdaBelief, {_PROJECTED}",
    "adam": f"optax Adam, {_PROJECTED}",
    "adaw": f"optax AdamW, {_PROJECTED}",
    "newton": "Newton's method in the box, with a scan for lower minima; the default",
    "sgd": f"optax gradient descent with a line search, {_PROJECTED}",
    "optax_lbfgs": f"optax L-BFGS with a zoom line search, {_PROJECTED}",
    "optimistix_bfgs": f"optimistix BFGS; {_LOGISTIC}",
    "optimistix_lbfgs": f"optimistix L-BFGS; {_LOGISTIC}",
    "optimistix_ncg_dy": f"optimistix nonlinear CG, Dai-Yuan; {_LOGISTIC}",
    "optimistix_ncg_fr": f"optimistix nonlinear CG, Fletcher-Reeves; {_LOGISTIC}",
    "optimistix_ncg_hs": f"optimistix nonlinear CG, Hestenes-Stiefel; {_LOGISTIC}",
    "optimistix_ncg_pr": f"optimistix nonlinear CG, Polak-Ribiere; {_LOGISTIC}",
    "scipy_cobyqa": "scipy's COBYQA, without gradients; for few parameters",
    "scipy_tnc": "scipy's truncated Newton (TNC), bounded",
}
"""What each solver is; those of the ADABK family are described by their number."""


def _parameters_table() -> str:
    lines = [
        "| parameter | what it is | start | box | clusters | nside | fitted by |",
        "|---|---|---|---|---|---|---|",
    ]
    for p in KNOWN.values():
        unit, (low, high) = p.unit_behind, p.box
        models = ", ".join(f"`{name}`" for name, of in FITTED.items() if p in of)
        lines.append(
            f"| `{p.name}` | {p.about} | {p.start:g}{unit} | {low:g} to {high:g}{unit} "
            f"| {p.clusters} | {p.nside} | {models} |"
        )
    return "\n".join(lines)


def _first_line(schema: type) -> str:
    return (schema.__doc__ or "").strip().splitlines()[0]


BOXES = {
    "standard": "boxes by evidence, no priors, see science.md; the default",
    "priors": "the same boxes, and priors of 0.2, 3 K and 0.2 about the start: a lower residual "
    "variance where clusters are many, and a higher r",
    "published": "the wide boxes of the published tutorial; their likelihood has many "
    "minima: use `solver.starts=4` or more",
}
"""What each choice of start, box and prior is."""


Row = tuple[str, str, str, str]
"""Key, default, what is allowed, meaning."""


def _rows(schema: type, prefix: str) -> Iterator[Row]:
    """One row a key. The key `name` of a group is left out: it is the choice itself."""
    hints = get_type_hints(schema)
    first = next(iter(KNOWN))
    for item in fields(schema):
        doc = item.metadata.get("doc", "")
        default = _default(item)
        if item.name in KNOWN and item.name != first:
            continue  # said once for all
        if isinstance(default, ParameterConf):
            hints_of = {"prior": get_type_hints(PriorConf), "": get_type_hints(ParameterConf)}
            for key, value, metadata in settings(default):
                group, _, name = key.rpartition(".")
                usual = "the parameter's" if key in ("start", "low", "high") else _plain(value)
                hint = _type(hints_of[group][name], metadata["check"])
                yield f"{prefix}<parameter>.{key}", usual, hint, metadata["doc"]
        elif item.name == first:
            hint = _type(hints[item.name], item.metadata.get("check"))
            yield f"{prefix}<parameter>", "the parameter's", hint, doc
        elif is_dataclass(default):
            yield from _rows(type(default), f"{prefix}{item.name}.")
        elif doc and item.name != "name":
            key = f"{prefix}{item.name}"
            yield key, _plain(default), _type(hints[item.name], item.metadata.get("check")), doc


def _default(item: Field) -> Any:
    if item.default_factory is not NO_DEFAULT:
        return item.default_factory()
    return item.default


def _type(hint: Any, check: Check | None) -> str:
    rule = allowed(check) if check else ""
    if hint is Any or rule.startswith("one of"):
        return rule
    return f"{_name(hint)}, {rule}" if rule else _name(hint)


def _name(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_name(part) for part in get_args(hint))
    if get_origin(hint) is list:
        return f"list of {_name(get_args(hint)[0])}s"
    return _TYPES[hint]


def _plain(value: Any) -> str:
    if isinstance(value, str) and value == MISSING:
        return "required"
    if value is None or isinstance(value, bool):
        return f"`{str(value).lower().replace('none', 'null')}`"
    if isinstance(value, str | list):
        return f"`{value}`" if value else "by the choice"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _table(rows: Any) -> str:
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    return "\n".join(
        lines + [f"| `{key}` | {default} | {rule} | {doc} |" for key, default, rule, doc in rows]
    )


if __name__ == "__main__":
    sys.stdout.write(document())
