"""Softmax attention for any widths of keys and values, a part of the queries at a time.

The weights of the first parts are kept for the backward pass, as many numbers as the queries have; it computes those of
the other parts again. So nothing of size queries x keys is ever held, unless there are fewer keys than channels.
Source: Rabe and Staats, Self-attention Does Not Need O(n^2) Memory, https://arxiv.org/abs/2112.05682; Dao et al.,
FlashAttention, https://arxiv.org/abs/2205.14135, section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

_WEIGHTS = 1 << 20  # in a part, of all batch elements together: 4 MB of float32, which a processor's cache holds


def softmax_in_parts(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """softmax_j(scale q_i k_j) v_j.

    Args:
        queries: (B, N, d), float32 or float64.
        keys: (B, M, d).
        values: (B, M, e).
        scale: of the logits.

    Returns:
        (B, N, e).
    """
    result: Tensor = _InParts.apply(queries, keys * scale, values)
    return result


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The result; kept are the inputs, it, and some of the weights."""
        result, kept = queries.new_empty(*queries.shape[:2], values.shape[2]), []
        for part in _parts(queries, keys):
            weights = _weights(queries[:, part], keys)
            result[:, part] = torch.bmm(weights, values)
            if part.stop * keys.shape[1] <= queries[0].numel():
                kept.append(weights)
        ctx.save_for_backward(queries, keys, values, result, *kept)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With P the weights and D = sum(grad result): dS = P (grad v^T - D), dq = dS k, dk = dS^T q, dv = P^T grad."""
        grad = grads[0].contiguous()  # rows, whatever layout the next layer left
        queries, keys, values, result, *kept = ctx.saved_tensors
        of_queries, of_keys, of_values = torch.empty_like(queries), torch.zeros_like(keys), torch.zeros_like(values)
        drop = (grad * result).sum(2, keepdim=True)
        for part, known in zip_longest(_parts(queries, keys), kept):
            weights = _weights(queries[:, part], keys) if known is None else known
            of_values.baddbmm_(weights.transpose(1, 2), grad[:, part])
            of_logits = torch.bmm(grad[:, part], values.transpose(1, 2)).sub_(drop[:, part]).mul_(weights)
            of_queries[:, part] = torch.bmm(of_logits, keys)
            of_keys.baddbmm_(of_logits.transpose(1, 2), queries[:, part])
        return of_queries, of_keys, of_values


def _weights(queries: Tensor, keys: Tensor) -> Tensor:
    """By torch's softmax: ``exp`` gives the smallest numbers a float has, and products with these are slow."""
    return torch.bmm(queries, keys.transpose(1, 2)).softmax(2)


def _parts(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    batch, total = queries.shape[:2]
    rows = max(1, min(total // 16, _WEIGHTS // (batch * keys.shape[1])))
    return (slice(begin, begin + rows) for begin in range(0, total, rows))
