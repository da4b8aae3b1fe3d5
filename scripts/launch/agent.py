"""torchrun with the exit code of the rank that failed; ``torchrun.sh`` calls it with torchrun's arguments.

torchrun itself exits with 1 whatever its ranks exited with, so that a scheduler cannot tell a job that was preempted
(143) and wants to be started again from one that failed.
"""

from __future__ import annotations

import signal
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.run import get_args_parser
from torch.distributed.run import main as torchrun

_WARNED = "--signals-to-handle"


def run(arguments: list[str]) -> int:
    """Runs torchrun.

    Returns:
        0, or the exit code of the rank of this machine that ended the job; 128 + n where signal n ended that rank, or
        torchrun itself.
    """
    if _WARNED in get_args_parser().format_help():  # since torch 2.9
        arguments = [_WARNED, "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1", *arguments]
    try:
        torchrun(arguments)
    except ChildFailedError as error:
        rank, failure = first_to_fail(error.failures)
        print(f"torchrun: rank {rank} (process {failure.pid}) {_how(failure)}, and the job with it", file=sys.stderr)
        return failure.exitcode if failure.exitcode >= 0 else 128 - failure.exitcode
    except SignalException as error:
        print(f"torchrun: ended by {error.sigval.name}, and the job with it", file=sys.stderr)
        return 143 if error.sigval == signal.SIGUSR1 else 128 + error.sigval  # both say: save, and come again
    return 0


def first_to_fail(failures: dict[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """Of those that torchrun has found together: one that a signal has ended.

    The others have failed because of it, or have got SIGTERM from torchrun.
    """

    def lateness(failed: tuple[int, ProcessFailure]) -> tuple[int, int]:
        code = failed[1].exitcode
        return (2 if code == -signal.SIGTERM else 0 if code < 0 else 1, failed[1].timestamp)

    return min(failures.items(), key=lateness)


def _how(failure: ProcessFailure) -> str:
    if failure.exitcode < 0:
        return f"was ended by {signal.Signals(-failure.exitcode).name}"
    return f"ended with exit code {failure.exitcode}"


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
