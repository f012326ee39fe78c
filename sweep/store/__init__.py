"""The store: segments published whole, units recorded in journals, read as one dataset."""

from typing import TYPE_CHECKING, Any

from sweep.store.compact import CompactReport as CompactReport
from sweep.store.compact import compact as compact
from sweep.store.publish import publish as publish
from sweep.store.reader import Store as Store
from sweep.store.records import Failure as Failure
from sweep.store.records import Record as Record
from sweep.store.records import WorkerInfo as WorkerInfo
from sweep.store.records import errors as errors
from sweep.store.schema import FORMAT as FORMAT
from sweep.store.schema import NOISELESS as NOISELESS
from sweep.store.schema import SCHEMA_VERSION as SCHEMA_VERSION
from sweep.store.schema import STOKES as STOKES
from sweep.store.schema import ExperimentEntry as ExperimentEntry
from sweep.store.schema import Layout as Layout
from sweep.store.schema import SegmentSpec as SegmentSpec
from sweep.store.schema import Unit as Unit
from sweep.store.schema import fit_axes as fit_axes
from sweep.store.seal import seal as seal
from sweep.store.segment import Segment as Segment
from sweep.store.size import fit_bytes as fit_bytes
from sweep.store.size import segment_files as segment_files
from sweep.store.verify import Damage as Damage
from sweep.store.verify import VerifyReport as VerifyReport
from sweep.store.verify import verify as verify
from sweep.store.writer import UnitWriter as UnitWriter

if TYPE_CHECKING:
    from sweep.store.dataset import open_dataset as open_dataset


def __getattr__(name: str) -> Any:
    """Import `open_dataset` when it is asked for: workers need no xarray."""
    if name != "open_dataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sweep.store.dataset import open_dataset

    return open_dataset
