"""Maps from files are what they were when they were fitted, and of one set for an experiment."""

from collections.abc import Mapping, Sequence

from sweep.assemble.data import build_sky
from sweep.config.scientific import files_by_realisation
from sweep.errors import ConfigError
from sweep.grid import Experiment
from sweep.store import Store


def check_told_apart(asked: Sequence[Experiment]) -> None:
    """See that no two experiments differ only in where their maps are.

    Identities do not tell: those of files that are moved are to stay.

    Raises:
        ConfigError: two do: the setting and both paths.
    """
    first: dict[str, dict[str, str]] = {}
    for experiment in asked:
        files = files_by_realisation(experiment.conf.sky, "sky.")
        known = first.setdefault(experiment.identity, files) if files else files
        for key in files:
            if files[key] != known[key]:
                raise ConfigError(
                    f"{key} = {files[key]}: only this tells it from {known[key]}; give each set "
                    "of maps a name, sky.dataset=NAME"
                )


def check_unchanged(store: Store, experiments: Mapping[str, Experiment]) -> None:
    """See that files of recorded fits hold what they held; those that are gone are let be.

    Raises:
        ConfigError: one does not: its path, band and realisation.
    """
    segments = [s for s in store.segments.values() if "file" in s.layout.sizes]
    if not segments:
        return
    from sweep.sky.maps import MapsSky  # imports healpy

    done = store.done_units()
    for segment in segments:
        for unit in filter(done.__contains__, segment.units()):
            rows, columns = segment.layout.slices(unit)
            found = [(i, k) for i, k in enumerate(segment.identities[rows]) if k in experiments]
            if not found:
                continue
            recorded = store.read(unit, "data_digest")
            for i, key in found:
                experiment = experiments[key]
                sky = build_sky(experiment.conf)
                assert isinstance(sky, MapsSky)  # others read no files
                for number, digests in zip(segment.realisations[columns], recorded[i], strict=True):
                    if number in experiment.realisations:
                        sky.check_unchanged(number, digests.tolist())
