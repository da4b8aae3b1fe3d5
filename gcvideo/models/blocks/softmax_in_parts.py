"""Softmax attention for any widths of keys and values, a part of the queries at a time.

The weights of the first parts are kept for the backward pass, as many numbers as the queries have; it computes those of
the other parts again. So nothing of size queries x keys is ever held, unless there are fewer keys than channels.
Second derivatives are refused: the weights that are kept have no history.
Source: Rabe and Staats, Self-attention Does Not Need O(n^2) Memory, https://arxiv.org/abs/2112.05682; Dao et al.,
FlashAttention, https://arxiv.org/abs/2205.14135, section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from gcvideo.models.blocks.execution import refuse_second_derivatives, without_autocast

# Weights in a part, of all batch elements together.
_WEIGHTS_CPU = 1 << 20  # 4 MB of float32, which a processor's cache holds
_WEIGHTS_ELSEWHERE = 1 << 26  # 256 MB of float32: a GPU wants large products, and few of them


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
            if part.stop * keys.shape[1] <= queries.shape[1] * queries.shape[2]:
                kept.append(weights)
        ctx.save_for_backward(queries, keys, values, result, *kept)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """In the dtype of the forward pass, even where autocast is still on."""
        refuse_second_derivatives()
        with without_autocast(grads[0]):
            return _gradients(grads[0].contiguous(), *ctx.saved_tensors)  # rows, whatever layout the next layer left


def _gradients(
    grad: Tensor, queries: Tensor, keys: Tensor, values: Tensor, result: Tensor, *kept: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """With P the weights and D = sum(grad result): dS = P (grad v^T - D), dq = dS k, dk = dS^T q, dv = P^T grad."""
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
    """Of the queries: small ones on a processor, larger ones elsewhere, but always a sixteenth at most."""
    batch, total = queries.shape[:2]
    fitting = _WEIGHTS_CPU if queries.device.type == "cpu" else _WEIGHTS_ELSEWHERE
    rows = max(1, min(total // 16, fitting // max(1, batch * keys.shape[1])))
    return (slice(begin, begin + rows) for begin in range(0, total, rows))
