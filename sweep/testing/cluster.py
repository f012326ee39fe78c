"""A real SLURM of four virtual nodes on this machine, with accounting; needs root and Debian.

`python -m sweep.testing.cluster FOLDER` keeps one up until it is interrupted.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
NODES = 4

REQUEUE_DELAY = 15
"""Seconds that a requeued job waits: the life of a credential, which the start of a job needs too.

Nothing may cut it short: after `scontrol update StartTime=now` SLURM may take the exit status of
the first run, which comes late, for that of the second.
"""

_SLURM = """
ClusterName=skysweep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdSpoolDir={folder}/spool-%n
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue_delay}
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=2000
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=5
InactiveLimit=0
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MaxArraySize={max_array}
NodeName=DEFAULT CPUs=2 RealMemory=4000
NodeName=n[0-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{node_port}-{last_port}]
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=spare Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""

_DBD = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


def missing() -> str | None:
    """Why there can be no cluster here, or None."""
    if os.geteuid() != 0:
        return "a SLURM of our own needs root"
    absent = [name for name in DAEMONS if _which(name) is None]
    return f"{', '.join(absent)}: not installed; make test does it on Debian" if absent else None


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@dataclass
class Cluster:
    """The daemons, as a context; `environment` is what clients need to find them.

    Attributes:
        folder: everything they write; short, since sockets live there.
        max_array: MaxArraySize.
        processes, commands: the daemons, by name, and what started them.
    """

    folder: Path
    max_array: int = 1001
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    guard: socket.socket | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Additions to the environment of sbatch, srun, sacct, ..."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> Self:
        try:
            self._configure()
            self._munge()
            self._database()
            self._start("slurmdbd", "slurmdbd", "-D")
            self._wait(lambda: self.command("sacctmgr", "-i", "add", "cluster", "skysweep"))
            self._start("slurmctld", "slurmctld", "-D", "-c")
            for node in range(NODES):
                self._start(f"slurmd-n{node}", "slurmd", "-D", "-N", f"n{node}")
            self._wait(self._idle)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if "slurmctld" in self.processes:  # what still runs would outlive the daemons
            with suppress(subprocess.TimeoutExpired):
                self.command("scancel", "-u", "root")
                end = time.monotonic() + 15
                while self.command("squeue", "-h").stdout.strip() and time.monotonic() < end:
                    time.sleep(0.5)
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        if self.guard is not None:
            self.guard.close()

    def stop(self, name: str) -> None:
        """Kill a daemon at once: `slurmctld`, `slurmdbd`, `slurmd-n0`, ..."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start again what was stopped."""
        self._start(name, *self.commands[name])

    def _start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground, under a name."""
        self.commands[name] = command
        program = _which(command[0])
        assert program is not None, command[0]
        with open(self.folder / f"{name}.out", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [program, *command[1:]],
                env=self._daemons(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self, *command: str) -> subprocess.CompletedProcess:
        """Run a client of the cluster."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            cwd=self.folder,  # what a job prints is not left where the tests were started
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def _daemons(self) -> dict[str, str]:
        return os.environ | self.environment | {"MYSQL_UNIX_PORT": str(self.folder / "sql.socket")}

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.guard, first = _free_ports(2 + NODES)
        values = {
            "host": socket.gethostname(),
            "folder": self.folder,
            "port": first,
            "dbd_port": first + 1,
            "node_port": first + 2,
            "last_port": first + 1 + NODES,
            "max_array": self.max_array,
            "requeue_delay": REQUEUE_DELAY,
        }
        (self.folder / "slurm.conf").write_text(_SLURM.format(**values))
        dbd = self.folder / "slurmdbd.conf"
        dbd.touch(0o600)
        dbd.write_text(_DBD.format(**values))
        (self.folder / "state").mkdir()
        for node in range(NODES):
            (self.folder / f"spool-n{node}").mkdir()

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        where = {
            "key-file": key,
            "socket": self.folder / "munge.socket",
            "pid-file": self.folder / "munge.pid",
            "log-file": self.folder / "munge.log",
            "seed-file": self.folder / "munge.seed",
        }
        options = [f"--{name}={path}" for name, path in where.items()]
        self._start("munged", "munged", "--foreground", "--force", *options)
        self._wait((self.folder / "munge.socket").exists)

    def _database(self) -> None:
        data, socket_ = self.folder / "sql", self.folder / "sql.socket"
        data.mkdir()
        shutil.chown(data, "mysql", "mysql")
        self._check(
            "mariadb-install-db",
            "--user=mysql",
            f"--datadir={data}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )
        self.folder.chmod(0o777)  # the socket is made by the user mysql
        self._start(
            "mariadbd",
            "mariadbd",
            "--no-defaults",
            "--user=mysql",
            f"--datadir={data}",
            f"--socket={socket_}",
            f"--pid-file={data}/pid",
            "--skip-networking",
            "--innodb-buffer-pool-size=32M",
        )
        self._wait(socket_.exists)
        self.folder.chmod(0o755)
        self._check(
            "mariadb",
            "--no-defaults",
            f"--socket={socket_}",
            "-e",
            "create database slurm; create user slurm@localhost identified by 'slurm'; "
            "grant all on slurm.* to slurm@localhost",
        )

    def _check(self, *command: str) -> None:
        done = self.command(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    def _idle(self) -> bool:
        said = self.command("sinfo", "-h", "-N", "-p", "debug", "-o", "%T").stdout.split()
        return said == ["idle"] * NODES

    def _wait(self, ready: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not _true(said := ready()):
            for name, process in self.processes.items():
                text = (self.folder / f"{name}.out").read_text()[-2000:]
                assert process.poll() is None, f"{name} ended: {text}"
            assert time.monotonic() < end, f"waited too long; see {self.folder}; {said}"
            time.sleep(0.2)


def _true(said: object) -> bool:
    return said.returncode == 0 if isinstance(said, subprocess.CompletedProcess) else bool(said)


def _free_ports(count: int) -> tuple[socket.socket, int]:
    """The first of so many free ports in a row, and what keeps another cluster from taking them.

    Daemons listen on them only later: the port before is bound meanwhile, and stays so.
    """
    for first in range(17001, 30000, count + 1):
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first - 1))
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            guard.close()
            continue
        return guard, first
    raise RuntimeError("no free ports")


def until_interrupted(environment: dict[str, str]) -> None:
    """Say how clients find a cluster, and wait until Ctrl-C or SIGTERM."""
    for name, value in environment.items():
        print(f"export {name}={value}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()


if __name__ == "__main__":
    with Cluster(Path(sys.argv[1]).absolute()) as cluster:
        until_interrupted(cluster.environment)
