"""What clients are asked: the options that the engine and the tests use, all others refused."""

import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

NODES = ("n0", "n1", "n2", "n3")
CORES = 2
MEMORY = 4000 * 2**20
"""Of a node; memory in bytes."""

STATES = {"PD": "PENDING", "R": "RUNNING", "CG": "COMPLETING"}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "": 2**20}


class Refused(Exception):
    """What a client says when it does nothing, in a line."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


@dataclass(frozen=True)
class Submission:
    """What sbatch was asked.

    Attributes:
        script: path of the file that was given.
        text: of that file, or of standard input.
        test_only: whether no job is wanted.
        parsable: whether only its id is to be said.
        array: indices of the elements; empty where it is one job.
        throttle: elements at a time.
        after: ids of jobs that have to end first.
        minutes: time limit.
        warning: signal and seconds before the limit when it is sent to the tasks; or None.
        memory: bytes of a node; 0 is without limit.
        cores: of a node.
    """

    script: str
    text: str
    test_only: bool
    parsable: bool
    hold: bool
    array: tuple[int, ...]
    throttle: int
    after: tuple[str, ...]
    partition: str
    nodes: int
    tasks: int
    tasks_given: bool
    cores_a_task: int | None
    exclusive: bool
    minutes: float
    warning: tuple[str, float] | None
    memory: int
    output: str
    error: str | None

    @property
    def cores(self) -> int:
        """Of a node."""
        return self.tasks * (self.cores_a_task or 1)

    @property
    def more_than_a_node(self) -> bool:
        """Whether there are no such nodes."""
        return self.cores > CORES or self.memory > MEMORY


def submission(arguments: Sequence[str], cwd: str, read: str) -> Submission:
    """What a script and the command line ask for; the command line wins.

    Args:
        arguments: of sbatch.
        cwd: where it was called.
        read: what it read from standard input.

    Raises:
        Refused: an option is not known, or there is no script.
    """
    line = _sbatch().parse_args(arguments)
    script = str(Path(cwd, line.script)) if line.script else ""
    if script and not Path(script).is_file():
        raise Refused(f"Unable to open file {line.script}")
    wrapped = f"#!/bin/sh\n{line.wrap}\n" if line.wrap else read
    text = Path(script).read_text() if script else wrapped
    words = [w for w in re.findall("^#SBATCH (.*)$", text, re.MULTILINE) for w in shlex.split(w)]
    given = _sbatch().parse_args([*words, *arguments])
    first, _, rest = (given.array or "").partition("%")
    lowest, _, highest = first.partition("-")
    kind, _, jobs = (given.dependency or "afterany:").partition(":")
    if kind != "afterany":
        raise Refused("Job dependency problem")
    signal, _, seconds = (given.signal or "").partition("@")
    return Submission(
        script=script,
        text=text,
        test_only=given.test_only,
        parsable=given.parsable,
        hold=given.hold,
        array=tuple(range(int(lowest), int(highest or lowest) + 1)) if first else (),
        throttle=int(rest or 10**6),
        after=tuple(filter(None, jobs.split(":"))),
        partition=given.partition,
        nodes=given.nodes,
        tasks=given.ntasks_per_node or 1,
        tasks_given=given.ntasks_per_node is not None,
        cores_a_task=given.cpus_per_task,
        exclusive=given.exclusive,
        minutes=given.time,
        warning=(f"SIG{signal}", float(seconds or 60)) if signal else None,
        memory=_bytes(given.mem),
        output=given.output,
        error=given.error,
    )


def _bytes(text: str) -> int:
    found = re.fullmatch("([0-9]+)([KMG]?)B?", text)
    if not found:
        raise Refused("Invalid --mem specification")
    return int(found[1]) * _UNITS[found[2]]


def _sbatch() -> ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("script", nargs="?")
    parser.add_argument("--wrap", default="")
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--test-only", action="store_true")
    parser.add_argument("--parsable", action="store_true")
    parser.add_argument("--exclusive", action="store_true")
    parser.add_argument("-p", "--partition", default="debug")
    parser.add_argument("-N", "--nodes", type=int, default=1)
    parser.add_argument("--ntasks-per-node", type=int)
    parser.add_argument("--cpus-per-task", type=int)
    parser.add_argument("--time", type=float, default=1e6)
    parser.add_argument("--mem", default="0")
    parser.add_argument("--output", default="slurm-%j.out")
    for name in ("array", "dependency", "signal", "error"):
        parser.add_argument(f"--{name}")
    for name in (
        *("job-name", "open-mode", "wckey", "account", "qos", "constraint", "exclude", "gres"),
        *("gpus-per-node", "mem-per-gpu", "mail-type", "mail-user"),
    ):  # taken and without effect
        parser.add_argument(f"--{name}")
    return parser


def queue(arguments: Sequence[str]) -> Namespace:
    """What squeue was asked."""
    parser = _Parser(add_help=False)
    for name in ("-h", "--me", "-r"):
        parser.add_argument(name, action="store_true")
    for name in ("-j", "-p"):
        parser.add_argument(name)
    parser.add_argument("-t", type=lambda text: [STATES[state] for state in text.split(",")])
    parser.add_argument("-o", default="%i")
    parser.add_argument("-O")
    return parser.parse_args(arguments)


def accounting(arguments: Sequence[str]) -> Namespace:
    """What sacct was asked."""
    parser = _Parser(add_help=False)
    for name in ("-n", "-X", "-D"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("-P", "--parsable2", action="store_true")
    parser.add_argument("-o", type=lambda text: text.split(","))
    parser.add_argument("-j", action="append", default=[])
    return parser.parse_args(arguments)


def cancellation(arguments: Sequence[str]) -> Namespace:
    """What scancel was asked."""
    parser = _Parser(add_help=False)
    parser.add_argument("jobs", nargs="*")
    parser.add_argument("-u")
    parser.add_argument("--signal", type=lambda text: f"SIG{text.removeprefix('SIG')}")
    return parser.parse_args(arguments)


def nodes(arguments: Sequence[str]) -> Namespace:
    """What sinfo was asked."""
    parser = _Parser(add_help=False)
    for name in ("-h", "-N"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("-p")
    parser.add_argument("-o", default="%T")
    return parser.parse_args(arguments)


def in_columns(fields: str, rows: Sequence[dict[str, Any]]) -> str:
    """A line for each row, of fields `NAME:WIDTH,...`."""
    columns = [field.split(":") for field in fields.split(",")]
    return "".join(
        "".join(f"{row[name]!s:<{width}}"[: int(width)] for name, width in columns) + "\n"
        for row in rows
    )


def listed(template: str, rows: Sequence[dict[str, Any]]) -> str:
    """A line for each row, letters after % replaced by its values."""
    return "".join(
        re.sub("%([A-Za-z])", lambda f, r=row: str(r[f[1]]), template) + "\n" for row in rows
    )
