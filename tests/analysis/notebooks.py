"""Notebooks of `analysis/`: read, with other parameters, executed."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2] / "analysis"
NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))


class _ThisPython(KernelSpecManager):
    """Whatever kernels a user has installed, the tests run in this interpreter."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


class _Kernel(AsyncKernelManager):
    def __init__(self, **settings: Any) -> None:
        super().__init__(kernel_spec_manager=_ThisPython(), **settings)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook: NotebookNode) -> NotebookNode:
    """The only cell with the tag `parameters`."""
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    return cell


def assigned(cell: NotebookNode) -> list[str]:
    """Names that a cell of assignments gives values."""
    names = []
    for line in ast.parse(cell.source).body:
        assert isinstance(line, ast.Assign), ast.dump(line)
        (target,) = line.targets
        assert isinstance(target, ast.Name), ast.dump(line)
        names.append(target.id)
    return names


def execute(path: Path, folder: Path, values: dict[str, Any], asked: str) -> tuple[Any, Any]:
    """Run a notebook in a folder, with other parameters.

    Returns:
        The notebook with its outputs, and the value of the expression `asked` after its last cell.
    """
    notebook = read(path)
    cell = parameters(notebook)
    assert set(values) <= set(assigned(cell))
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in values.items())
    question = f"import json\nprint(json.dumps({asked}))"
    notebook.cells.append(nbformat.v4.new_code_cell(question, id="asked"))
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=500, kernel_manager_class=_Kernel, resources=resources
    )
    client.execute()
    (answer,) = notebook.cells.pop().outputs
    return notebook, json.loads(answer.text)


def pictures(notebook: NotebookNode) -> list[str]:
    """Ids of the cells that show a picture."""
    return [
        cell.id
        for cell in code(notebook)
        if any("image/png" in output.get("data", {}) for output in cell.outputs)
    ]
