"""Every YAML composes; a YAML and its dataclass have the same keys; all ways in agree."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize, version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import sweep
from sweep.config import SweepConf, config_dir
from sweep.config.models import fill_in
from sweep.config.schema import GROUPS
from sweep.errors import ConfigError

CONF = config_dir()
YAMLS = sorted(
    p for p in CONF.rglob("*.yaml") if p.parent != CONF and p.relative_to(CONF).parts[0] != "hydra"
)
BIN = Path(sys.executable).parent

NEEDS_A_PATH = {
    "sky/templates": "sky.path=sky.npz",
    "sky/maps": "sky.path='{band}_{realisation}.fits'",
    "clusters/file": "clusters.path=clusters.npz",
    "clusters/binned": "clusters.path=parameters.fits",
    "noise/hits": "noise.path=nhits.fits",
    "noise/rms": "noise.path=rms.fits",
    "noise/maps": "noise.path=noise.fits",
}


def overrides(file: Path) -> list[str]:
    group = file.parent.name
    needs = [path] if (path := NEEDS_A_PATH.get(f"{group}/{file.stem}")) else []
    return [f"{'+' if group == 'experiment' else ''}{group}={file.stem}", *needs]


@pytest.mark.parametrize("file", YAMLS, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_yaml_composes_to_its_dataclass(file: Path) -> None:
    conf = sweep.compose(overrides(file))
    if file.parent.name == "experiment":
        return
    group = getattr(conf, file.parent.name)
    assert type(group) in GROUPS[file.parent.name].values()
    said = {k: v for k, v in yaml.safe_load(file.read_text()).items() if k != "defaults"}
    assert set(said) <= {item.name for item in fields(group)}
    assert _is_said(group, said)
    if hasattr(group, "name"):
        assert group.name == file.stem


def _is_said(group: Any, said: dict[str, Any]) -> bool:
    """Whether a configuration has these values, at whatever depth."""
    return all(
        _is_said(getattr(group, key), value)
        if isinstance(value, dict)
        else getattr(group, key) == value
        for key, value in said.items()
    )


def test_every_dataclass_has_a_yaml_and_every_group_a_folder() -> None:
    used = set()
    for file in YAMLS:
        if file.parent.name != "experiment":
            (schema,) = [d for d in yaml.safe_load(file.read_text())["defaults"] if d != "_self_"]
            used.add(next(iter(schema)) if isinstance(schema, dict) else schema)
    expected = {f"/schema/{g}/{name}@_here_" for g, schemas in GROUPS.items() for name in schemas}
    assert used == expected
    assert set(GROUPS) == {item.name for item in fields(SweepConf)} - {
        "fail_fast",
        "objective",
        "plan",
    }


def test_every_solver_has_a_yaml() -> None:
    from sweep.solvers import SOLVERS

    assert {p.stem for p in (CONF / "solver").glob("*.yaml")} == set(SOLVERS)


def test_every_setting_is_documented() -> None:
    for schemas in GROUPS.values():
        for schema in schemas.values():
            assert schema.__doc__
            for item in fields(schema):
                nested = "Conf" in str(item.type) or schema.__name__ == "ParameterConf"
                assert item.metadata.get("doc") or item.name == "name" or nested, item


def plain(conf: Any) -> Any:
    """As YAML would give it back; paths, which composition makes absolute, by their last part."""
    if is_dataclass(conf) and not isinstance(conf, type):
        conf = asdict(conf)
    if isinstance(conf, dict):
        return {
            k: Path(v).name if k == "path" and v else plain(v)
            for k, v in conf.items()
            if k != "cache"
        }
    return conf


def completed(printed: dict[str, Any]) -> SweepConf:
    """What Hydra prints is null where the model has a value."""
    conf = OmegaConf.merge(OmegaConf.structured(SweepConf), printed)
    group, name = printed["clusters"], printed["clusters"]["name"]
    conf.clusters = OmegaConf.merge(OmegaConf.structured(GROUPS["clusters"][name]), group)
    made = cast(SweepConf, OmegaConf.to_object(conf))
    fill_in(made)
    return made


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["clusters.beta_dust=200", "solver=adabk0", "noise.ratio=0.5", "sky.nside=32"],
        ["sky=templates", "sky.path=a/b.npz", "clusters=multires", "fit.block=3"],
    ],
)
def test_python_and_the_command_compose_the_same(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweep.cli.run import main

    monkeypatch.setattr(sys, "argv", ["sweep", *words, "--cfg", "job"])
    main()
    printed = yaml.safe_load(capsys.readouterr().out)
    assert plain(sweep.compose(words)) == plain(completed(printed))


def test_the_real_command_composes_in_any_folder(tmp_path: Path) -> None:
    # a folder of the user's that is called as ours must not be taken for it
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "sweep.yaml").write_text("mine: 1\n")
    done = subprocess.run(
        [BIN / "sweep", "--cfg", "job", "noise.seed=7"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert plain(completed(yaml.safe_load(done.stdout))) == plain(sweep.compose(["noise.seed=7"]))
    assert {p.name for p in tmp_path.rglob("*")} == {"conf", "sweep.yaml"}


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    conf = sweep.compose(["store.path=a/../b.zarr", "store.cache='~/c'", "mask.path=m.npz"])
    assert conf.store.path == str(tmp_path / "b.zarr")
    assert conf.store.cache == str(tmp_path / "home" / "c")
    assert conf.mask.path == str(tmp_path / "m.npz")


def test_the_cache_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sweep.compose().store.cache == os.environ["SKYSWEEP_CACHE"]
    monkeypatch.delenv("SKYSWEEP_CACHE")
    assert sweep.compose().store.cache == str(Path("~/.cache/skysweep").expanduser())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sky.nside=48"], "sky.nside = 48: must be a power of two: use 32 or 64"),
        (["sky.nside=-8"], "sky.nside = -8: must be a power of two: use 64"),
        (["solver.tolerance=0"], "solver.tolerance = 0.0: must be positive"),
        (["solver=adabk0", "solver.atol=-1"], "solver.atol = -1.0: must be positive"),
        (["solver.rtol=1e-3"], "`solver.rtol` is a key of the solvers of cadre or scipy only"),
        (["solver=adam", "solver.nodes=9"], "`solver.nodes` is a key of solver=newton only"),
        (["clusters.beta_dust=1.5"], "clusters.beta_dust = '1.5': expected an integer"),
        (["solver=adabk10"], "unknown solver `adabk10`; did you mean `adabk1`?"),
        (["+_target_=os.system"], "unknown key `_target_`"),
    ],
)
def test_python_refuses_what_the_command_refuses(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep.compose(words)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["sky.nside=1"],
        ["noise.ratio=0"],
        ["noise.realisations=1"],
        ["clusters.beta_dust=1"],
        ["fit.block=1"],
        ["sky.r=0"],
        ["parameters.beta_dust.start=0.500001"],
    ],
)
def test_values_on_the_edge_are_accepted(words: list[str]) -> None:
    sweep.compose(words)


def test_a_program_that_uses_hydra_composes_and_keeps_its_own() -> None:
    """Issue 17, point 6: `GlobalHydra is already initialized`."""
    before = HydraConfig.instance().cfg
    with initialize(version_base="1.2", config_path=None, job_name="theirs"):
        theirs = hydra_compose(overrides=["+a=1"], return_hydra_config=True)
        HydraConfig.instance().set_config(theirs)
        try:
            conf = sweep.compose(["store.path='${hydra:job.name}/${hydra:runtime.choices.sky}'"])
            assert HydraConfig.get().job.name == "theirs"
            assert str(version.getbase()) == "1.2"
            assert GlobalHydra.instance().is_initialized()
        finally:
            HydraConfig.instance().cfg = before
    assert conf.store.path == str(Path("sweep/synthetic").resolve())


def test_threads_compose_at_the_same_time() -> None:
    with ThreadPoolExecutor(4) as pool:
        confs = list(pool.map(lambda n: sweep.compose([f"noise.seed={n}"]), range(8)))
    assert [conf.noise.seed for conf in confs] == list(range(8))


def test_without_a_home_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigError, match="there is no home directory.*: set HOME to a folder"):
        sweep.compose()


def test_the_usual_cache_is_a_path_as_one_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSWEEP_CACHE", "s3://bucket/cache")
    with pytest.raises(ConfigError, match="^store.cache = s3://bucket/cache: is an address"):
        sweep.compose()
