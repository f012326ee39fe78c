"""Small stores with values that follow from (experiment, realisation) alone."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sweep.model import KNOWN
from sweep.quantities.table import VARIABLES
from sweep.store import ExperimentEntry, Segment, SegmentSpec, Store, Unit, UnitWriter, publish
from sweep.types import Status

CLUSTERS: dict[Any, int] = {"beta_dust": 3, "temp_dust": 2, "beta_pl": 1}
PIXELS = (0, 5, 7, 40)

HELD = tuple(n for n in VARIABLES if n not in KNOWN.keys() - CLUSTERS.keys() | {"data_digest"})
"""Variables of a store of these parameters whose data are simulated."""


def entry(number: int, **config: Any) -> ExperimentEntry:
    flat = {"solver.name": "newton", "clusters.beta_dust": 10 * (number + 1), "sky.nside": 4}
    return ExperimentEntry(hashlib.sha256(str(number).encode()).hexdigest(), flat | config)


def make_spec(numbers: Iterable[int] = range(3), /, **changes: Any) -> SegmentSpec:
    fields: dict[str, Any] = {
        "experiments": tuple(entry(number) for number in numbers),
        "realisations": tuple(range(-1, 4)),
        "block": 2,
        "experiments_per_unit": 2,
        "clusters": CLUSTERS,
        "nside": 4,
        "parameters": True,
        "maps": "float32",
        "spectra": "alm",
        "pixels": PIXELS,
        "provenance": {"versions": {"sweep": "0.1"}},
    }
    return SegmentSpec(**fields | changes)


def value(identity: str, realisation: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What a fit of one realisation gives for one variable, before its dtype."""
    seed = [int(identity[:8], 16), realisation + 1, *name.encode()]
    rng = np.random.default_rng(seed)
    if VARIABLES[name].flags is not None:
        return rng.choice([Status.CONVERGED, Status.MAX_STEPS, Status.NONFINITE])
    if VARIABLES[name].dtype.startswith("int"):
        return rng.integers(0, 2, shape)
    return rng.standard_normal(shape)


def unit_arrays(segment: Segment, unit: Unit) -> dict[str, np.ndarray]:
    experiments, realisations = segment.layout.slices(unit)
    arrays = {}
    for name in segment.layout.variables:
        shape = segment.layout.shape(name)[2:]
        rows = [
            [value(identity, number, name, shape) for number in segment.realisations[realisations]]
            for identity in segment.identities[experiments]
        ]
        arrays[name] = np.array(rows).astype(segment.layout.dtype(name))
    return arrays


def write_unit(writer: UnitWriter, unit: Unit) -> None:
    writer.write(unit, unit_arrays(writer.segment(unit.segment), unit), seconds=1.5)


def fill(path: Path, **writer: Any) -> None:
    """Write what is pending."""
    worker = UnitWriter(path, **writer)
    for unit in Store(path).pending_units():
        write_unit(worker, unit)


def filled(path: Path, **changes: Any) -> Path:
    publish(path, make_spec(**changes))
    fill(path)
    return path


def chunk(path: Path, unit: Unit, name: str) -> Path:
    return Store(path).segments[unit.segment].chunk_file(unit, name)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below `folder`, with the bytes of the files."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in sorted(folder.rglob("*"))
    }


def assert_expected(path: Path, recorded: Iterable[Unit] | None = None) -> None:
    """The dataset holds exactly what was computed for recorded units, and fill elsewhere."""
    from sweep.store import open_dataset

    store = Store(path)
    dataset = open_dataset(path).load()
    units = store.done_units() if recorded is None else set(recorded)
    expected = {
        name: np.full(array.shape, VARIABLES[str(name)].fill).astype(array.dtype)
        for name, array in dataset.data_vars.items()
    }
    identities = dataset["identity"].values.tolist()
    numbers = dataset["realisation"].values.tolist()
    for unit in units:
        segment = store.segments[unit.segment]
        experiments, realisations = segment.layout.slices(unit)
        for name, array in unit_arrays(segment, unit).items():
            for e, identity in enumerate(segment.identities[experiments]):
                for r, number in enumerate(segment.realisations[realisations]):
                    here = identities.index(identity), numbers.index(number)
                    cell = expected[name][here]
                    if name == "cmb":
                        pixels = np.searchsorted(
                            dataset["healpix_index"], segment.coordinate("healpix_index")
                        )
                        cell[:, pixels] = array[e, r]
                    elif cell.ndim:
                        cell[: array.shape[2]] = array[e, r]
                    else:
                        expected[name][here] = array[e, r]
    for name, array in dataset.data_vars.items():
        np.testing.assert_array_equal(array.values, expected[name], err_msg=str(name))
