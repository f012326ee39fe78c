"""Stands for a client of SLURM: `client.py SOCKET NAME ARGUMENT...`, by `scheduler.py`.

What it was asked goes to the scheduler; only `srun` does something itself, it starts tasks. Begun
for every call, so it imports nothing of sweep.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

_MEMORY = ("SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU", "SLURM_MEM_PER_NODE")


def ask(where: str, name: str, arguments: list[str]) -> int:
    """Let the scheduler answer; returns the exit status."""
    piped = all(a.startswith("--") and a != "--wrap" for a in arguments)
    read = sys.stdin.read() if name == "sbatch" and piped else ""
    asked = {"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ), "read": read}
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(where)
        line.sendall(json.dumps(asked | {"name": name}).encode() + b"\n")
        with line.makefile("rb") as stream:
            said = json.loads(stream.read())
    sys.stdout.write(said["out"])
    sys.stderr.write(said["err"])
    return said["code"]


def srun(arguments: list[str]) -> int:
    """Start the tasks of the job around this process, and wait for all of them."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        sys.stderr.write("srun: error: here within jobs only\n")
        return 1
    memory = [name for name in _MEMORY if name in os.environ]
    if len(memory) > 1:
        sys.stderr.write(f"srun: fatal: {' and '.join(memory)} are mutually exclusive.\n")
        return 1
    logs: dict[str, str] = {}
    cores = 1
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        name, equals, value = option.partition("=")
        if name in ("--output", "--error"):
            logs[name] = value if equals else arguments.pop(0)
        elif name == "--cpus-per-task" and equals:
            cores = int(value)
        elif name != "--unbuffered" and not equals:
            sys.stderr.write(f"srun: unrecognized option '{option}'\n")
            return 1
    per_node = int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    if "SLURM_CPUS_PER_TASK" in os.environ:  # since 22.05 not taken over from sbatch
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    tasks = []
    for number in range(int(os.environ["SLURM_NTASKS"])):
        own = {
            "SLURM_PROCID": str(number),
            "SLURM_LOCALID": str(number % per_node),
            "SLURM_NODEID": str(number // per_node),
        }
        with ExitStack() as stack:
            out, err = (
                stack.enter_context(open(_path(logs[name], number), "ab")) if name in logs else None
                for name in ("--output", "--error")
            )
            tasks.append(subprocess.Popen(arguments, env=os.environ | own, stdout=out, stderr=err))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # is for the tasks
    codes = [task.wait() for task in tasks]
    return max(128 - code if code < 0 else code for code in codes)


def _path(pattern: str, task: int) -> str:
    env = os.environ
    values = {
        "j": env["SLURM_JOB_ID"],
        "A": env.get("SLURM_ARRAY_JOB_ID", env["SLURM_JOB_ID"]),
        "a": env.get("SLURM_ARRAY_TASK_ID", "0"),
        "t": str(task),
    }
    return re.sub("%([jAat])", lambda found: values[found[1]], pattern)


if __name__ == "__main__":
    _, where, name, *arguments = sys.argv
    sys.exit(srun(arguments) if name == "srun" else ask(where, name, arguments))
