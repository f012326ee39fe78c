"""How much room a segment will take, before it is made."""

from sweep.store.columns import split
from sweep.store.schema import SegmentSpec


def segment_files(spec: SegmentSpec) -> int:
    """Number of files of a segment whose units are all recorded."""
    _, columns = split([entry.config for entry in spec.experiments])
    coordinates = ["realisation", "identity", "recorded", *columns]
    if spec.maps:
        coordinates += ["stokes", "healpix_index"]
    variables = len(spec.layout.variables)
    blocks = spec.layout.blocks
    return 1 + 2 * len(coordinates) + variables + variables * blocks[0] * blocks[1]
