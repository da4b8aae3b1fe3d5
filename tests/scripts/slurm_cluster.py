"""A real SLURM of two nodes on this machine, in a folder of its own; without root, or without SLURM, there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
# The name of the first node, where ranks meet, is an address: the names of a real cluster's nodes can be resolved.
_CONFIG = """
ClusterName=gcvideo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
NodeName=127.0.0.1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=127.0.0.2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_no_slurm() -> str:
    """What is missing for one; empty where nothing is."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "a SLURM that starts jobs needs root"


@dataclass(frozen=True)
class Cluster:
    """Takes jobs.

    Attributes:
        variables: by which SLURM's commands find it.
    """

    variables: dict[str, str]

    def call(self, *command: str, **variables: str) -> str:
        """What one of SLURM's commands prints."""
        environment = {**os.environ, **self.variables, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.strip()

    def about(self, job: str) -> dict[str, str]:
        """The fields of ``scontrol show job``."""
        words = self.call("scontrol", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)


def wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    """Looks twice a second.

    Raises:
        TimeoutError: if it does not come true.
    """
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


@contextmanager
def slurm_of_two_nodes(folder: Path) -> Iterator[Cluster]:
    """Starts the daemons, waits until both nodes are idle, and ends them."""
    host, config = socket.gethostname(), folder / "slurm.conf"
    config.write_text(_CONFIG.format(host=host, folder=folder, ports=_free_ports(3)))
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    folder.chmod(0o755)
    paths = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    paths |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
    cluster = Cluster({"SLURM_CONF": str(config)})
    environment = {**os.environ, **cluster.variables}
    daemons = [["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in paths.items())]]
    daemons += [["slurmctld", "-D"], ["slurmd", "-D", "-N", "127.0.0.1"], ["slurmd", "-D", "-N", "127.0.0.2"]]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for daemon in daemons:
            with (folder / "daemons.log").open("ab") as log:
                started.append(subprocess.Popen(daemon, env=environment, stdout=log, stderr=log))
            if daemon[0] == "munged":
                wait_until(paths["socket"].exists, 10)
        wait_until(lambda: _idle_nodes(environment) == 2, 60)
        yield cluster
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(30)


def _idle_nodes(environment: dict[str, str]) -> int:
    command = ["sinfo", "--noheader", "--Node", "--format=%N %t"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
    return sum(line.endswith(" idle") for line in said.splitlines())


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
