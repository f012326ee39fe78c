"""Which maps of files are of which band."""

import re

from sweep.inputs.columns import Columns, not_numbers


def of_bands(
    columns: Columns, bands: int, files: int, name: re.Pattern[str], what: str
) -> list[str]:
    """Names of the maps in a file: the one for its bands, or one a band in their order.

    Args:
        columns: the file.
        bands: number of bands.
        files: number of files; several are one a band.
        name: of the one map where there are others beside it, in lower case.
        what: the maps are of, for messages.

    Raises:
        ConfigError: it is not clear which are meant.
    """
    there = [n for n, array in columns.arrays.items() if not_numbers(array) is None]
    named = [n for n in there if name.fullmatch(n.lower())]
    if len(there) == 1 or len(named) == 1:
        return named or there
    if files == 1 and len(there) == bands:
        return there
    one_a_band = f", or {bands}, one a band in their order" if files == 1 else ""
    raise columns.refused(
        f"has {', '.join(there) or 'no map'}; expected one map of {what}{one_a_band}: write only "
        "these"
    )
