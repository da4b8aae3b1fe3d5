"""How often each class comes in an epoch, and with which of its videos: functions of (seed, epoch)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gcvideo.errors import InputError

Counts = NDArray[np.int64]

_ROUNDS = 1  # sets the random numbers of the rounds apart from those of the epochs


def check_balance(balance: float) -> None:
    """Refuses what is not between the two ends.

    Raises:
        InputError: naming the option and its value.
    """
    if not 0 <= balance <= 1:
        raise InputError(
            f"data.balance is {balance}; expected 0 (classes as often as they have videos) to 1 (all equally often)"
        )


def class_quotas(counts: Counts, balance: float) -> NDArray[np.float64]:
    """Videos of each class that an epoch draws, on average over the epochs.

    Args:
        counts: (K,), videos of each class, of which one at least has some.
        balance: 0 to 1; 0.5 is square-root sampling.

    Returns:
        (K,), proportional to ``count ** (1 - balance)``, with the sum of ``counts``. A class with videos has 1 at
        least, one without has 0.

    Source:
        Kang et al., https://arxiv.org/abs/1910.09217, eq. 1; their exponent q is ``1 - balance``.
    """
    weights = np.where(counts > 0, np.maximum(counts, 1) ** (1.0 - balance), 0.0)
    return np.asarray(counts.sum() * weights / weights.sum())


def balanced_order(labels: Sequence[int], balance: float, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The videos of an epoch, as many as there are, in random order.

    Each class comes as often as its quota, rounded down or up; what is rounded off is made up for in later epochs.
    The videos of a class come in rounds that go on from epoch to epoch: none comes a second time before all of its
    class have come, and each round has an order of its own. Example: of 90 videos of ``walk`` and 10 of ``fall``, an
    epoch with ``balance`` 1 has 50 each: every ``fall`` five times, and 50 of ``walk``; the next begins with the
    other 40.

    Args:
        labels: class number of each video.
        balance: above 0 to 1, see ``class_quotas``.
        seed: the run's seed.
        epoch: 0-based.

    Returns:
        int64 (number of videos,), positions in ``labels``. The k-th time in an epoch (0-based) that a video comes,
        ``k * number of videos`` is added, so that another clip is drawn from it.
    """
    counts = np.bincount(labels)
    before, now = _draws(class_quotas(counts, balance), seed, epoch)
    of_classes = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    drawn = [
        _rounds(videos, int(start), int(number), seed=seed, label=label)
        for label, (videos, start, number) in enumerate(zip(of_classes, before, now, strict=True))
    ]
    order = np.random.default_rng([seed, epoch]).permutation(np.concatenate(drawn))
    return order + len(labels) * _times_before(order)


def describe_balance(counts: Counts, balance: float) -> str:
    """``classes have 12 to 340 videos; with --data.balance=1 each gives 60 an epoch``."""
    existing, quotas = counts[counts > 0], np.round(class_quotas(counts, balance)[counts > 0], 6)
    least, most = math.floor(quotas.min()), math.ceil(quotas.max())
    given = {0: f"each gives {least}", 1: f"each gives {least} or {most}"}
    have = f"{existing.min()} to {existing.max()}" if existing.min() < existing.max() else f"{existing.min()}"
    gives = given.get(most - least, f"they give {least} to {most}")
    return f"classes have {have} videos; with --data.balance={balance:g} {gives} an epoch"


def _draws(quotas: NDArray[np.float64], seed: int, epoch: int) -> tuple[Counts, Counts]:
    """How often each class has come before an epoch, and how often it comes in it.

    Every epoch rounds all quotas down and gives what is left to the classes that are owed most by then, so this goes
    through all epochs from the first on; it costs a sort of K numbers each.
    """
    whole = np.floor(quotas).astype(np.int64)
    shares, left = quotas - whole, round(quotas.sum()) - int(whole.sum())
    ties = np.random.default_rng([seed]).permutation(len(quotas))
    extra = before = np.zeros_like(whole)
    for past in range(epoch + 1):
        owed = np.where(shares > 0, np.round((past + 1) * shares - extra, 6), -np.inf)
        before, extra = extra, extra.copy()
        extra[np.lexsort((ties, -owed))[:left]] += 1
    return epoch * whole + before, whole + extra - before


def _rounds(videos: Counts, start: int, number: int, *, seed: int, label: int) -> Counts:
    """``number`` videos from place ``start`` on of an endless row: all videos in one order, then in another, ..."""
    if not number:
        return videos[:0]
    first, last = start // len(videos), (start + number - 1) // len(videos)
    orders = [np.random.default_rng([seed, label, turn, _ROUNDS]) for turn in range(first, last + 1)]
    row = np.concatenate([generator.permutation(videos) for generator in orders])
    return row[start - first * len(videos) :][:number]


def _times_before(order: Counts) -> Counts:
    """At each place, how often its number stands before it: 5 3 5 5 gives 0 0 1 2."""
    by_number = np.argsort(order, kind="stable")
    in_order = order[by_number]
    times = np.empty_like(order)
    times[by_number] = np.arange(len(order)) - np.searchsorted(in_order, in_order)
    return times
