"""Whether the variables by which a launcher tells a process its rank are those of this run, and not left over."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from datetime import timedelta
from ipaddress import ip_address

from torch.distributed.rendezvous import rendezvous

from gcvideo.errors import InputError

log = logging.getLogger(__name__)

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")
_AGENT, _HERE = timedelta(seconds=10), timedelta(seconds=60)
_ELSEWHERE = timedelta(minutes=10)  # machines start one after the other
_SAID_AFTER_S, _BETWEEN_S = 5.0, 0.5


def meet_other_ranks(wanted: int, patience: timedelta | None = None) -> object | None:
    """Where a launcher (torchrun) has started this process, waits until the other ranks are there, but not for ever.

    Args:
        wanted: processes that the options ask for.
        patience: how long; by default 10 s where torchrun holds the meeting place, 60 s for ranks on this machine, 10
            minutes for others.

    Returns:
        What holds the meeting place, to be kept until the training ends; none where this process is alone.

    Raises:
        InputError: if the variables contradict each other or the options, or the others do not come.
    """
    if "RANK" not in os.environ:
        return None
    rank, world_size = _number("RANK"), _number("WORLD_SIZE")
    if rank >= world_size:
        raise _mistake(f"they contradict each other: ranks go from 0 to {world_size - 1}")
    if world_size != wanted:
        raise _mistake(
            f"a launcher such as torchrun would set them for {world_size} processes, and --trainer.devices times "
            f"--trainer.num_nodes is {wanted} (under a launcher set both to what it starts)"
        )
    if world_size == 1:
        return None
    if not {"LOCAL_RANK", "TORCHELASTIC_RUN_ID"} & set(os.environ):
        raise _mistake("LOCAL_RANK is missing, which a launcher such as torchrun sets too")
    return _meet(patience or _patience(), world_size - 1, is_host=rank == 0 and not _has_agent())


def _meet(patience: timedelta, others: int, *, is_host: bool) -> object:
    ranks = f"{others} other rank{'s' * (others > 1)}"
    address, port, seconds = os.environ.get("MASTER_ADDR", ""), _number("MASTER_PORT"), patience.total_seconds()
    said = threading.Timer(
        _SAID_AFTER_S, log.warning, [f"waiting for {ranks} at {address}:{port}, up to {seconds:g} s"]
    )
    said.daemon = True
    said.start()
    try:
        if not is_host:  # torch would fill the screen while nothing answers
            _wait_for_answer(address, port, seconds)
        store, _, _ = next(rendezvous("env://", timeout=patience))
    except (OSError, RuntimeError, ValueError) as error:  # the last two are torch's, of the network and the variables
        what = f"waited up to {seconds:g} s for {ranks} at {address}:{port}, and not all of them came"
        raise _mistake(what) from error
    finally:
        said.cancel()
    return store


def _wait_for_answer(address: str, port: int, seconds: float) -> None:
    """Until somebody listens there; the last refusal is raised."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address, port), timeout=seconds).close()
        except OSError:
            if time.monotonic() >= until:
                raise
            time.sleep(_BETWEEN_S)
        else:
            return


def _has_agent() -> bool:
    """Whether torchrun's agent holds the meeting place; it did before it started this process."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _patience() -> timedelta:
    if _has_agent():
        return _AGENT
    address = os.environ.get("MASTER_ADDR", "")
    try:
        is_here = ip_address(address).is_loopback
    except ValueError:
        is_here = address in ("localhost", socket.gethostname())
    return _HERE if is_here else _ELSEWHERE


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdecimal():
        raise _mistake(f"{name} is {text!r}, which is no number" if text else f"{name} is missing")
    return int(text)


def _mistake(what: str) -> InputError:
    given = [name for name in _NAMES if name in os.environ]
    values = ", ".join(f"{name}={os.environ[name]}" for name in given)
    return InputError(
        f"{values} stand in the environment: {what}; if they are left from an earlier job: unset {' '.join(given)}"
    )
