"""What furax-cs says of a run in the name of its result folder; only for labels.

Names are made in its `scripts/kmeans_model.py`, `ptep_model.py`, `fgbuster_model.py` and
`distributed_gridding.py` (https://github.com/CMBSciPol/furax-cs), as in
`kmeans_c1d1s1_BD200_TD5_BS5_SP1.54_20.0_-3.0_LiteBIRD_GAL040_ADABK0_condFalse_lszoom_noise100`.
A user may choose any other.
"""

import re
from typing import Any

from sweep.model import DEFAULT, FITTED

_CLUSTERS = {
    "fgbuster_multires": "multires",
    "fgbuster_kmeans": "kmeans",
    "noise_validation": "kmeans",
    "compsep": "kmeans",
    "kmeans": "kmeans",
    "ptep": "multires",
    "PTEP": "multires",
}
"""Programs, by how their folders begin, and their way to make clusters."""

_RINGS = {"GAL040": "GAL020", "GAL060": "GAL040"}
"""Its GAL040 and GAL060 are rings: without the mask that ours of this name contains."""

_START = re.compile(
    rf"(?P<program>{'|'.join(_CLUSTERS)})"
    r"(_(?P<tag>[a-z]r?\d+([a-z]\d+)*(_synt_bd\d+_td\d+_bs\d+)?))?(?=_|$)"
)
FITS = tuple(p.name for p in FITTED[DEFAULT])
"""Spectral parameters that furax-cs fits, in the order in which names of folders have them."""

_COUNTS = re.compile(r"_BD(\d+|true|file)_TD(\d+|true|file)_(?:BS|SP)(\d+|true|file)(?=_|$)")
_STARTS = re.compile(r"_SP(-?\d+\.\d+)_(-?\d+\.\d+)_(-?\d+\.\d+)(?=_|$)")
_INSTRUMENT = re.compile(r"_(LiteBIRD|Planck|default)(?=_|$)")

_ZONE = r"(?:ALL|GALACTIC|GAL0[246]0(?:_[UL](?![A-Z]))?)"
_JOIN = r"(?:_UNION_|_SUBTRACT_|[+-])"
_MASK = re.compile(
    rf"_(?P<mask>{_ZONE}({_JOIN}{_ZONE})*)"
    r"(_(?P<solver>[A-Za-z]\w*?)_cond(True|False))?(_ls[a-z]+)?"
    r"(_noise(?P<noise>\d+)(?=_|$)|_(?P<percent>\d+)$|(?=_|$))"
)


def settings(name: str) -> dict[str, Any]:
    """Settings that a folder's name tells, under the keys that a configuration has here.

    Returns:
        {dotted key: value}; empty where it tells nothing. Counts are only among them for
        multi-resolution clusters, where they are nsides; others are counted in the results.
    """
    found: dict[str, Any] = {}
    if start := _START.match(name):
        found |= _clusters(_CLUSTERS[start["program"]], _COUNTS.search(name))
        if start["program"].startswith("fgbuster"):
            found["solver.name"] = "fgbuster"
        if start["tag"]:
            found |= {"sky.name": "pysm", "sky.tag": start["tag"]}
    if starts := _STARTS.search(name):
        for parameter, value in zip(FITS, starts.groups(), strict=True):
            found[f"parameters.{parameter}.start"] = float(value)
    if instrument := _INSTRUMENT.search(name):
        found["instrument.name"] = instrument[1].lower()
    if mask := _MASK.search(name):
        found["mask.expression"] = expression(mask["mask"])
        if mask["solver"]:
            found["solver.name"] = mask["solver"].lower()
        if ratio := mask["noise"] or mask["percent"]:
            found["noise.ratio"] = int(ratio) / 100
    return found


def expression(mask: str) -> str:
    """A mask of furax-cs, as its folder names write it, as an expression that means the same here.

    There `GAL040` keeps what ours keeps beyond GAL020, and `GAL060` beyond GAL040.
    """
    parts = re.split(r"(_UNION_|_SUBTRACT_|[+-])", mask)
    signs = {"_UNION_": "+", "_SUBTRACT_": "-"}
    if len(parts) == 1:
        return _zone(mask)
    zones = [f"({zone})" if "-" in (zone := _zone(part)) else zone for part in parts[::2]]
    joined = [text for sign, z in zip(parts[1::2], zones[1:], strict=True) for text in (sign, z)]
    return zones[0] + "".join(signs.get(text, text) for text in joined)


def _zone(name: str) -> str:
    inner = _RINGS.get(name[:6])
    return f"{name}-{inner}" if inner else name


def _clusters(name: str, counts: re.Match[str] | None) -> dict[str, Any]:
    given = counts.groups() if counts else ()
    if name == "kmeans":
        read = any(not count.isdecimal() for count in given)
        return {"clusters.name": "file" if read else "kmeans"}
    if not given or not all(count.isdecimal() for count in given):
        return {}
    nsides = {f"clusters.{p}": int(n) for p, n in zip(FITS, given, strict=True)}
    return {"clusters.name": name} | nsides
