"""The table of planted faults is true of the code as it is."""

import ast
from collections import Counter

import pytest

from benchmarks.planted import ROOT, Fault, faults


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: f"{fault.file} {fault.number}")
def test_a_fault_stands_once_in_its_file_and_changes_it(fault: Fault) -> None:
    source = (ROOT / fault.file).read_text()
    changed = fault.planted(source)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    assert all((ROOT / test).exists() for test in fault.tests)


def test_every_fault_has_a_row_of_its_own() -> None:
    assert len(faults()) >= 60
    assert set(Counter((fault.file, fault.what) for fault in faults()).values()) == {1}


def test_a_fault_whose_text_has_moved_is_one_line() -> None:
    fault = Fault("a.py", 3, "x + 1", "x - 1", "a sign", ())
    with pytest.raises(ValueError, match="a.py, fault 3 .* once in the file, found it 0 times"):
        fault.planted("y + 1")
