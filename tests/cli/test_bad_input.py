"""Bad input through the `sweep` command: one line, an exit status, and nothing created."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cli.run import main
from sweep.testing.small import SMALL
from tests.small import exit_status, listing, write_templates

BIN = Path(sys.executable).parent

Sweep = Callable[..., tuple[int, str]]
"""Arguments of the command to (exit status, standard error)."""


@pytest.fixture
def sweep_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Sweep:
    """The command, in this process and in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sweep.progress.QUIET_SECONDS", 1e6)  # a busy machine says that it goes on

    def command(*arguments: str) -> tuple[int, str]:
        # settings of k-means would be unknown to another rule, those of a parameter to a model
        others = any(a == "clusters=file" or a.startswith("model=") for a in arguments)
        base = [s for s in SMALL if not (others and "clusters." in s)]
        here = [] if "hydra/launcher=slurm" in arguments else ["hydra.launcher.processes=0"]
        argv = ["sweep", *flags(arguments), *base, *here]
        monkeypatch.setattr(sys, "argv", [*argv, *(a for a in arguments if a != "-m")])
        capfd.readouterr()
        return exit_status(main), capfd.readouterr().err

    return command


def flags(arguments: Sequence[str]) -> list[str]:
    return [a for a in arguments if a == "-m"]  # Hydra takes flags before or after all settings


def refused(command: Sweep, folder: Path, code: int, *arguments: str) -> str:
    """The one line that the command refuses `arguments` with, having created nothing."""
    before = listing(folder)
    got, err = command(*arguments)
    assert got == code, err
    assert err.startswith("sweep: "), err
    assert err.count("\n") == 1, err
    assert err.endswith("\n")
    assert listing(folder) == before
    return err


NEWTON = ("solver=newton", "solver.max_steps=20")

WRONG = {
    "unknown solver": (["solver=cmaes"], "unknown solver `cmaes`", "choose from active_set"),
    "solver misspelt": (["solver=newtn"], "did you mean `newton`?", "choose from"),
    "solver almost": (["solver=adabk00"], "did you mean `adabk0`?", "choose from"),
    "unknown key": (["sky.nsied=8"], "unknown key `sky.nsied`", "did you mean `sky.nside`?"),
    "unknown top key": (["skyy.nside=8"], "unknown key `skyy.nside`", "did you mean `sky`?"),
    "unknown key of a parameter": (
        ["parameters.beta_dust.strat=1"],
        "did you mean `parameters.beta_dust.start`",
    ),
    "unknown sky": (["sky=synthetc"], "unknown sky `synthetc`", "did you mean `synthetic`?"),
    "unknown mask group": (["mask=galctic"], "unknown mask `galctic`", "did you mean `galactic`?"),
    "unknown experiment": (["+experiment=dmeo"], "unknown experiment `dmeo`", "`demo`"),
    "unknown launcher": (["hydra/launcher=slrum"], "unknown hydra/launcher `slrum`", "local"),
    "unknown launcher key": (
        ["hydra.launcher.procs=2"],
        "unknown key `hydra.launcher.procs`",
        "sweep --cfg hydra",
    ),
    "key of another choice": (["clusters.path=x"], "`clusters.path` is a key of clusters=file"),
    "added key": (["+foo=1"], "unknown key `foo`", "the groups are sky"),
    "added key in a group": (["+solver.foo=1"], "unknown key `solver.foo`", "solver has"),
    "forced key": (["++noise.foo=1"], "unknown key `noise.foo`", "noise has"),
    "nside no power of two": (["sky.nside=60"], "sky.nside = 60", "use 32 or 64"),
    "nside zero": (["sky.nside=0"], "sky.nside = 0", "must be a power of two"),
    "nside a word": (["sky.nside=abc"], "sky.nside = 'abc'", "expected an integer"),
    "nside a fraction": (["sky.nside=4.5"], "sky.nside = '4.5'", "expected an integer"),
    "nside nothing": (["sky.nside="], "sky.nside = ''", "expected an integer"),
    "nside null": (["sky.nside=null"], "sky.nside = null: expected a value"),
    "nside a list": (["sky.nside=[4,8]"], "sky.nside", "expected an integer"),
    "flag a word": (["clusters.clip=maybe"], "clusters.clip = 'maybe'", "true or false"),
    "ratio a word": (["noise.ratio=much"], "noise.ratio = 'much'", "expected a number"),
    "group for a value": (["noise.ratio={a:1}"], "noise.ratio", "expected a number"),
    "value for a group": (["+noise=3"], "must be a string or a list"),
    "value for a box": (["parameters.beta_dust=3"], "parameters.beta_dust=3: ", "ParameterConf"),
    "no group": (["~parameters"], "parameters is required: give parameters=..."),
    "deleted key": (["~noise.seed"], "~noise.seed: ", "does not support deletion"),
    "name of no sky": (["sky.name=pysm"], "sky.name = 'pysm'", "must be synthetic"),
    "name of no rule": (["clusters.name=kmean"], "clusters.name = 'kmean'", "must be kmeans"),
    "name of no solver": (["solver.name=cmaes"], "solver.name = 'cmaes'", "choose by solver=..."),
    "name of another kind of solver": (["solver.name=adabk0"], "solver.name = 'adabk0'"),
    "name of the default solver": (["solver.name=newton"], "solver.name = 'newton'", "choose by"),
    "newton by another name": ([*NEWTON, "solver.name=adam"], "'adam'", "must be newton"),
    "newton with furax": (
        [*NEWTON, "fit.likelihood=furax"],
        "fit.likelihood = 'furax': newton knows the derivatives of the closed form only",
        "choose solver=optax_lbfgs or fit.likelihood=direct",
    ),
    "furax with another model": (
        ["solver=optax_lbfgs", "fit.likelihood=furax", "model=dust"],
        "fit.likelihood = furax",
        "no model=dust",
        "fit.likelihood=direct",
    ),
    "a setting of another model": (
        ["model=dust", "clusters.beta_pl=3"],
        "clusters.beta_pl: model=dust has no `beta_pl`, it has beta_dust, temp_dust",
        "leave it out, or choose another model",
    ),
    "a prior of what is expanded about": (
        ["model=moments", "parameters.beta_dust.prior.width=0.1"],
        "parameters.beta_dust: model=moments takes its start only",
        "leave prior and fixed value out",
    ),
    "newton with furax in a sweep": (
        ["-m", "solver=scipy_tnc,newton", "fit.likelihood=furax"],
        "fit.likelihood = 'furax': newton",
    ),
    "key of another solver": (
        ["solver.nodes=9"],
        "`solver.nodes` is a key of solver=newton only",
    ),
    "key that newton has not": ([*NEWTON, "solver.rtol=1"], "the solvers of cadre or scipy only"),
    "several values without -m": (
        ["noise.seed=1,2"],
        "noise.seed=1,2: expected one value",
        "`sweep -m`",
    ),
    "no grammar": (["noise.seed=[1"], "cannot read `noise.seed=[1`: no viable", "quotes"),
    "no assignment": (["noise.seed"], "cannot read `noise.seed`", "missing EQUAL"),
    "a home to be quoted": (
        ["store.path=~/a.zarr"],
        "cannot read `store.path=~/a.zarr`; ",
        "key='...'",
    ),
    "no key": (["=3"], "must be a string or a list"),
    "mask with no pixel": (["mask.expression=ALL-ALL"], "mask `ALL-ALL` keeps no pixel"),
    "unknown mask": (["mask.expression=GAL160"], "unknown name `GAL160`", "Available: ALL, GAL001"),
    "mask no expression": (["mask.expression=ALL+"], "mask `ALL+`", "expected a name"),
    "no cluster": (["clusters.beta_dust=0"], "clusters.beta_dust = 0", "must be at least 1"),
    "clusters by nobody": (
        ["clusters.method=sklearn"],
        "clusters.method = 'sklearn'",
        "must be one of lloyd, jax_healpy",
    ),
    "clusters above pixels": (
        ["clusters.beta_pl=200"],
        "`beta_pl`: 200 clusters, 192 pixels",
        "ask for fewer",
    ),
    "clusters finer than maps": (
        ["clusters=multires", "clusters.beta_dust=8"],
        "clusters.beta_dust = 8",
        "up to nside 4",
    ),
    "negative noise": (["noise.ratio=-1"], "noise.ratio = -1.0", "must be at least 0"),
    "noise not a number": (["noise.ratio=nan"], "noise.ratio = nan", "must be"),
    "infinite noise": (["noise.ratio=inf"], "noise.ratio = inf", "must be finite"),
    "no realisation": (["noise.realisations=0"], "noise.realisations = 0", "must be at least 1"),
    "empty block": (["fit.block=0"], "fit.block = 0", "must be at least 1"),
    "block a word": (["fit.block=all"], "fit.block = 'all'", "must be auto or an integer"),
    "precision": (
        ["fit.precision=float16"],
        "fit.precision = 'float16'",
        "one of float64, float32",
    ),
    "maps": (["store.maps=int8"], "store.maps = 'int8'", "one of none, float32, float64"),
    "no step": (["solver.max_steps=0"], "solver.max_steps = 0", "must be at least 1"),
    "no tolerance": (["solver.rtol=0"], "solver.rtol = 0.0", "must be positive"),
    "start outside its box": (
        ["parameters.beta_dust.start=9"],
        "parameters.beta_dust.start = 9",
        "inside (0.5, 3)",
    ),
    "start on the edge": (
        ["parameters.temp_dust.start=40"],
        "parameters.temp_dust.start = 40",
        "inside (10, 40)",
    ),
    "start not a number": (
        ["parameters.beta_pl.start=nan"],
        "parameters.beta_pl.start",
        "must be finite",
    ),
    "box upside down": (
        ["parameters.beta_dust.low=6"],
        "parameters.beta_dust: low 6",
        "below high 3",
    ),
    "prior of no width": (
        ["parameters.beta_pl.prior.width=0"],
        "parameters.beta_pl.prior.width = 0.0",
        "must be positive",
    ),
    "prior outside the box": (
        ["parameters.beta_pl.prior.mean=-9"],
        "parameters.beta_pl.prior.mean = -9",
        "inside (-3.5, -2.5)",
    ),
    "prior without a width": (
        ["parameters=published", "parameters.beta_pl.prior.mean=-3"],
        "parameters.beta_pl.prior.mean = -3",
        "does nothing without prior.width",
    ),
    "fixed outside the box": (
        ["parameters.temp_dust.fixed=50"],
        "parameters.temp_dust.fixed = 50",
        "in the box [10, 40]",
    ),
    "fixed with a prior": (
        ["parameters.temp_dust.fixed=20", "parameters.temp_dust.prior.width=1"],
        "parameters.temp_dust.fixed = 20",
        "add parameters.temp_dust.prior.width=null",
    ),
    "no start": (["solver.starts=0"], "solver.starts = 0", "must be at least 1"),
    "search of another version": (
        ["solver=newton", "solver.search=1"],
        "solver.search = 1",
        "one of 2",
    ),
    "temperature of zero": (
        ["parameters.temp_dust.low=0"],
        "parameters.temp_dust.low = 0 K",
        "must be above 0",
    ),
    "too many nodes": (
        ["solver=newton", "solver.nodes=129"],
        "solver.nodes = 129",
        "must be from 8 to 128",
    ),
    "three bands": (
        ["instrument.frequency=[40,90,90,150]", "instrument.depth_p=[1,1,1,1]"],
        "instrument `litebird`: 3 different frequencies",
        "at least 4",
    ),
    "no band": (["instrument.frequency=[]"], "frequency", "at least one number"),
    "fewer depths than bands": (["instrument.depth_p=[1,2]"], "2 depths, 15 frequencies"),
    "band in Hz": (
        ["instrument.frequency=[40e9,90,150,220]", "instrument.depth_p=[1,1,1,1]"],
        "instrument.frequency[0] = 4e+10: must be 1 to 3000 GHz; it looks like Hz, give 40",
    ),
    "reference frequency in THz": (
        ["parameters.dust_nu0=0.353"],
        "parameters.dust_nu0 = 0.353: must be 1 to 3000 GHz; it looks like THz, give 353",
    ),
    "negative depth": (
        ["instrument.frequency=[40,90]", "instrument.depth_p=[1,-2]"],
        "depth_p[1] = -2",
        "positive",
    ),
    "infinite depth": (["instrument.depth_p=[1,inf]"], "instrument.depth_p", "finite"),
    "templates without a path": (
        ["sky=templates"],
        "sky.path is required with sky=templates",
        "give sky.path=...",
    ),
    "missing sky file": (
        ["sky=templates", "sky.path=none.npz"],
        "sky.path = ",
        "none.npz: there is no such file",
    ),
    "sky at an address": (
        ["sky=templates", "sky.path=https://a.b/c.fits"],
        "sky.path = https://a.b/c.fits: is an address, expected a path",
    ),
    "store at an address": (
        ["store.path=s3://bucket/a.zarr"],
        "store.path = s3://bucket/a.zarr",
    ),
    "store on a host": (["store.path='me@host:/a.zarr'"], "store.path = me@host:/a.zarr: is an"),
    "cache at an address": (["store.cache=gs://bucket/c"], "store.cache = gs://bucket/c: is an"),
    "missing mask file": (["mask.path=none.npz"], "mask.path = ", "there is no such file"),
    "missing cluster file": (
        ["clusters=file", "clusters.path=none.npz"],
        "clusters.path = ",
        "there is no such file",
    ),
    "missing instrument file": (
        ["instrument.path=none.yaml"],
        "instrument.path = ",
        "there is no such file",
    ),
    "a folder for a file": (["instrument.path=."], "instrument.path = ", "cannot be read"),
    "no worker": (
        ["hydra.launcher.processes=-1"],
        "hydra.launcher.processes = -1",
        "auto, or an integer",
    ),
    "workers a word": (
        ["hydra.launcher.processes=many"],
        "hydra.launcher.processes = 'many'",
        "must be auto",
    ),
    "second point of a sweep": (["-m", "clusters.beta_dust=2,200"], "200 clusters, 192 pixels"),
    "second solver of a sweep": (["-m", "solver=scipy_tnc,newtn"], "unknown solver `newtn`"),
    "second value of a sweep": (["-m", "noise.ratio=1,-1"], "noise.ratio = -1.0"),
    "second type of a sweep": (["-m", "noise.seed=1,x"], "noise.seed = 'x'", "expected an integer"),
    "path swept": (
        ["-m", "store.path=a.zarr,b.zarr"],
        "store.path cannot be swept",
        "give one value",
    ),
    "interval swept": (["-m", "noise.ratio=interval(0,1)"], "noise.ratio: only lists"),
    "target added": (["+solver._target_=os.system"], "`_target_` is not accepted"),
    "target forced": (["++solver._target_=os.system"], "`_target_` is not accepted"),
    "target of the whole": (["+_target_=os.system"], "`_target_` is not accepted"),
    "target in a box": (["+parameters.beta_dust._target_=os.system"], "`_target_` is not accepted"),
    "target swept": (["-m", "+solver._target_=os.system,os.abort"], "`_target_` is not accepted"),
    "target of a callback": (
        ["+hydra.callbacks.a={_target_:os.mkdir,path:x}"],
        "`_target_` is not accepted",
    ),
    "target by a group": (["+solver@os=adam"], "os"),
    "target of the launcher": (
        ["hydra.launcher._target_=os.abort", "-m", "noise.seed=1,2"],
        "hydra.launcher._target_",
    ),
    "target of the sweeper": (
        ["hydra.sweeper._target_=os.abort", "-m", "noise.seed=1,2"],
        "hydra.sweeper._target_",
    ),
    "interpolated": (["sky.nside=${oc.env:HOME}"], "sky.nside"),
    "interpolated from nothing": (["sky.nside=${nothing}"], "nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_refused_in_one_line(
    case: str, sweep_command: Sweep, tmp_path: Path
) -> None:
    arguments, *words = WRONG[case]
    err = refused(sweep_command, tmp_path, 2, *arguments)
    for word in words:
        assert word in err


SLURM = {
    "nodes=0": "nodes = 0: must be at least 1",
    "nodes=two": "nodes = 'two': expected an integer",
    "tasks_per_node=0": "tasks_per_node = 0: must be at least 1",
    "cpus_per_task=0": "cpus_per_task = 0: must be at least 1",
    "gpus_per_node=-1": "gpus_per_node = -1: must be at least 0",
    "mem_gb=0": "mem_gb = 0.0: must be at least 0.001",
    "mem_gb=nan": "mem_gb = nan: must be at least 0.001",
    "mem_gb=inf": "mem_gb = inf: must be",
    "mem_gb=much": "mem_gb = 'much': expected a number",
    "array_parallelism=0": "array_parallelism = 0: must be at least 1",
    "max_num_timeout=-1": "max_num_timeout = -1: must be at least 0",
    "timeout_min=0": "timeout_min = 0: must be at least 1",
    "signal_delay_s=0": "signal_delay_s = 0: must be at least 1",
    "signal_delay_s=3600": "signal_delay_s = 3600: must be shorter than a job, 3600 s",
    "timeout_min=2": "signal_delay_s = 120: must be shorter than a job, 120 s",
    "poll_s=0": "poll_s = 0.0: must be positive",
    "poll_s=nan": "poll_s = nan: must be positive",
    "+additional_parameters.hold=true": "additional_parameters.hold: leave it out",
}


@pytest.mark.parametrize("setting", SLURM)
def test_what_slurm_would_refuse_is_refused_before(
    setting: str, sweep_command: Sweep, tmp_path: Path
) -> None:
    plus = "+" if setting.startswith("+") else ""
    word = f"{plus}hydra.launcher.{setting.removeprefix('+')}"
    err = refused(sweep_command, tmp_path, 2, "hydra/launcher=slurm", word)
    assert f"hydra.launcher.{SLURM[setting]}" in err


def nan_at(pixel: int) -> np.ndarray:
    values = np.ones(192)
    values[pixel] = np.nan
    return values


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def masks(path: Path, **named: np.ndarray) -> Path:
    np.savez(path, **named)  # pyright: ignore[reportArgumentType]
    return path


def labels(path: Path, **changes: np.ndarray) -> Path:
    zeros = np.zeros(192, int)
    np.savez(path, **{"beta_dust": zeros, "temp_dust": zeros, "beta_pl": zeros} | changes)  # pyright: ignore[reportArgumentType]
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def templates(path: Path) -> list[str]:
    return ["sky=templates", f"sky.path={path}"]


KELVIN: Any = {name: np.full(192, 1e-6) for name in ("dust_q", "dust_u")}

ONE_DEPTH = "{name: x, source: y, frequency: [40, 50], depth_p: [1]}"

FILES: dict[str, tuple] = {
    "NaN inside the mask": (
        lambda f: templates(write_templates(f / "s.npz", beta_dust=nan_at(17))),
        "1 bad pixels in `beta_dust`",
        "first 17",
        "mask them",
    ),
    "maps in K": (
        lambda f: templates(write_templates(f / "s.npz", **KELVIN)),
        "`dust_q`",
        "looks like K, expected uK",
        "multiply by 1e6",
    ),
    "maps of another kind": (
        lambda f: templates(write_templates(f / "s.npz", unit="uK_SZ")),
        "sky.path = ",
        "s.npz: `dust_q` is in uK_SZ, expected uK_RJ: use K, mK or uK",
    ),
    "maps in celestial coordinates": (
        lambda f: templates(write_templates(f / "s.npz", coordsys="C")),
        "s.npz: COORDSYS = C (celestial), expected G (Galactic): turn the maps by",
    ),
    "reference frequency in Hz": (
        lambda f: templates(write_templates(f / "s.npz", dust_nu0=353e9)),
        "s.npz: `dust_nu0` = 3.53e+11: must be 1 to 3000 GHz; it looks like Hz, give 353",
    ),
    "text said to be npz": (
        lambda f: templates(text(f / "s.npz", "dust_q dust_u")),
        "s.npz: is no readable npz or FITS file, it begins with b'dust_q'; write npz by",
    ),
    "maps of another nside": (
        lambda f: templates(write_templates(f / "s.npz", 8)),
        "map has nside 8, config 4",
        "set sky.nside",
    ),
    "no HEALPix size": (
        lambda f: templates(write_templates(f / "s.npz", dust_q=np.ones(100))),
        "`dust_q`: 100 pixels is no HEALPix size",
    ),
    "damaged maps": (
        lambda f: templates(cut(write_templates(f / "s.npz"))),
        "s.npz: is no readable npz or FITS file",
    ),
    "maps that are text": (
        lambda f: templates(text(f / "s.fits", "x\n" * 9000)),
        "s.fits: is no readable npz or FITS file",
    ),
    "maps that are pickles": (
        lambda f: templates(write_templates(f / "s.npz", dust_q=np.array([{}] * 192))),
        "`dust_q`: expected numbers, got Python objects",
    ),
    "mask of another nside": (
        lambda f: [f"mask.path={masks(f / 'm.npz', A=np.ones(48))}", "mask.expression=A"],
        "mask 48 pixels, map 192",
    ),
    "mask not binary": (
        lambda f: [f"mask.path={masks(f / 'm.npz', A=np.full(192, 0.5))}", "mask.expression=A"],
        "value 0.5 at pixel 0",
        "threshold",
    ),
    "unknown mask of a file": (
        lambda f: [f"mask.path={masks(f / 'm.npz', A=np.ones(192))}", "mask.expression=B"],
        "unknown name `B`",
        "Available: ALL, A",
    ),
    "clusters of another nside": (
        lambda f: [*FROM_FILE, f"clusters.path={labels(f / 'c.npz', beta_pl=np.zeros(48, int))}"],
        "`beta_pl`: map has nside 2, config 4",
    ),
    "negative labels": (
        lambda f: [*FROM_FILE, f"clusters.path={labels(f / 'c.npz', beta_pl=np.full(192, -1))}"],
        "label -1 at pixel 0",
    ),
    "instrument with a wrong key": (
        lambda f: [f"instrument.path={text(f / 'i.yaml', 'nmae: x')}"],
        "unknown key `nmae`",
        "did you mean `name`?",
    ),
    "instrument that is no YAML": (
        lambda f: [f"instrument.path={text(f / 'i.yaml', 'a: [1' + chr(10) + 'b: 2')}"],
        "i.yaml is no YAML",
    ),
    "bands and depths": (
        lambda f: [f"instrument.path={text(f / 'i.yaml', ONE_DEPTH)}"],
        "1 depths, 2 frequencies",
    ),
}
FROM_FILE = ["clusters=file"]


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_is_refused_in_one_line(
    case: str, sweep_command: Sweep, tmp_path: Path
) -> None:
    prepare, *words = FILES[case]
    err = refused(sweep_command, tmp_path, 2, *prepare(tmp_path))
    for word in words:
        assert word in err


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy of a filled store."""
    import shutil

    for name in (small_store.name, small_store.name + ".sweep"):
        shutil.copytree(small_store.parent / name, tmp_path / name)
    return tmp_path / small_store.name


def test_a_store_of_another_version_is_left_alone(
    store: Path, sweep_command: Sweep, tmp_path: Path
) -> None:
    metadata = json.loads((store / "zarr.json").read_text())
    metadata["attributes"]["schema_version"] = 99
    (store / "zarr.json").write_text(json.dumps(metadata))
    err = refused(sweep_command, tmp_path, 3, f"store.path={store}", "noise.seed=5")
    assert "store schema version 99" in err
    assert "or a new path" in err


@pytest.mark.parametrize("content", [None, "mine.txt", "zarr.json"])
def test_what_is_no_store_is_left_alone(
    content: str | None, sweep_command: Sweep, tmp_path: Path
) -> None:
    path = tmp_path / "mine"
    if content is None:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / content).write_text('{"attributes": {}}')
    err = refused(sweep_command, tmp_path, 3, f"store.path={path}")
    assert "exists but is not a sweep store" in err
    assert "use another path" in err


def test_a_path_that_no_file_system_takes_is_named(sweep_command: Sweep, tmp_path: Path) -> None:
    err = refused(sweep_command, tmp_path, 3, f"store.path={'x' * 300}.zarr")
    assert "File name too long" in err


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that nobody writes to."""
    folder = tmp_path / "ro"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("where", ["a.zarr", "deep/er/a.zarr"])
def test_a_read_only_place_is_named(
    where: str, read_only: Path, sweep_command: Sweep, tmp_path: Path
) -> None:
    err = refused(sweep_command, tmp_path, 3, f"store.path={read_only / where}")
    assert f"cannot write {read_only / where}: the file system is read-only" in err


def test_a_file_in_the_way_is_named(sweep_command: Sweep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    err = refused(sweep_command, tmp_path, 3, "store.path=file/a.zarr")
    assert "a file is in the way" in err


def test_nan_outside_the_mask_is_accepted(sweep_command: Sweep, tmp_path: Path) -> None:
    keep = np.ones(192)
    keep[17] = 0
    path = masks(tmp_path / "m.npz", A=keep)
    sky = templates(write_templates(tmp_path / "s.npz", beta_dust=nan_at(17), cmb_q=nan_at(17)))
    code, err = sweep_command(*sky, f"mask.path={path}", "mask.expression=A", "store.path=a.zarr")
    assert code == 0, err


SUBPROCESSES = {
    "single": (["solver=adabk00"], 2, "did you mean"),
    "multirun": (["-m", "noise.realisations=0,1"], 2, "noise.realisations = 0"),
    "injection": (["-m", "+solver._target_=os.system", "noise.seed=1,2"], 2, "_target_"),
    "store": (["store.path=mine"], 3, "not a sweep store"),
}


@pytest.mark.parametrize("case", SUBPROCESSES)
def test_the_real_command_refuses_alike(case: str, tmp_path: Path) -> None:
    arguments, code, word = SUBPROCESSES[case]
    (tmp_path / "mine").mkdir()
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "mine").mkdir()
    before = listing(tmp_path)
    done = subprocess.run(
        [BIN / "sweep", *flags(arguments), *SMALL, *(a for a in arguments if a != "-m")],
        cwd=tmp_path / "cwd",
        env={k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("sweep: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr
    assert done.stdout == ""
    assert listing(tmp_path) == before
