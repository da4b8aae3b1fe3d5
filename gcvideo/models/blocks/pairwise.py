"""The four pairwise functions of the non-local block: as the textbook has them, and in exact forms that are cheaper.

All take queries (B, N, d), keys (B, M, d) and values (B, M, e) and give (B, N, e). The cheaper forms never hold more
than O((N + M) (d + e)) numbers for a batch element; sums are taken in float32 or better.

Source: Wang et al., Non-local Neural Networks, https://arxiv.org/abs/1711.07971, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from gcvideo.models.blocks.execution import example_size, is_traced, without_autocast
from gcvideo.models.blocks.softmax_in_parts import softmax_in_parts


def softmax_reference(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """softmax_j(scale q_i k_j) v_j, through the N x M weights."""
    return torch.bmm(softmax_weights(queries, keys, scale).to(values.dtype), values)


def softmax_weights(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """The weights (B, N, M), at least float32."""
    precise = torch.promote_types(queries.dtype, torch.float32)
    with without_autocast(queries):
        return torch.bmm(queries.to(precise) * scale, keys.to(precise).transpose(1, 2)).softmax(dim=2)


def softmax(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """The same without the weights in memory, its softmax in float32.

    Few keys need no such form: their weights take no more than the features. Fused attention wants keys and values of
    one width, of at most 256 on a GPU (and would store the weights otherwise); for others a part of the queries goes
    at a time. Compilers and exporters, which cannot read that loop, get the attention of torch for these as well: where
    it is not fused, it stores the weights.
    """
    if example_size(keys.shape[1]) <= keys.shape[2]:
        return softmax_reference(queries, keys, values, scale)
    if keys.shape[2] == values.shape[2] <= 256:
        return _of_torch(queries, keys, values, scale)
    precise = torch.promote_types(values.dtype, torch.float32)
    with without_autocast(queries):
        q, k, v = (each.to(precise).contiguous() for each in (queries, keys, values))  # parts of rows, not of columns
        seen = _of_torch(q, k, v, scale) if is_traced() else softmax_in_parts(q, k, v, scale)
    return seen.to(values.dtype)


def _of_torch(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    q, k, v = (each[:, None].contiguous() for each in (queries, keys, values))  # other strides would not be fused
    return scaled_dot_product_attention(q, k, v, scale=scale)[:, 0]


def dot_product_reference(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """((q k^T) / M) v."""
    return torch.bmm(torch.bmm(queries, keys.transpose(1, 2)) / keys.shape[1], values)


def dot_product(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Q ((k^T v) / M): the other order, unless there are so few keys or queries that it costs more.

    float16 is computed in float32: its sums over the keys would overflow, and divided before, the parts would vanish.
    """
    n, m, d, e = example_size(queries.shape[1]), example_size(keys.shape[1]), queries.shape[2], values.shape[2]
    precise = torch.float32 if values.dtype == torch.float16 else values.dtype
    with without_autocast(values):
        q, k, v = (each.to(precise) for each in (queries, keys, values))
        is_textbook = n * m * (d + e) < (n + m) * d * e
        if is_textbook:
            return dot_product_reference(q, k, v).to(values.dtype)
        return torch.bmm(q, torch.bmm(k.transpose(1, 2), v) / k.shape[1]).to(values.dtype)


def concatenation_reference(left: Tensor, right: Tensor, values: Tensor) -> Tensor:
    """ReLU(a_i + b_j) / M v_j, with a (B, N) and b (B, M): the two halves of w_f [theta; phi]."""
    return torch.bmm(torch.relu(left[:, :, None] + right[:, None, :]) / right.shape[1], values)


def concatenation(left: Tensor, right: Tensor, values: Tensor) -> Tensor:
    """The same by sorting, in O((N + M) (e + log M)).

    y_i = a_i sum v_j + sum b_j v_j over the keys with b_j > -a_i. These are the first of the sorted ones, so both sums
    are running sums.
    """
    precise = torch.promote_types(values.dtype, torch.float32)
    with without_autocast(values):
        a, b, v = left.to(precise), right.to(precise), values.to(precise)
        middle = b.detach().mean(dim=1, keepdim=True)  # so that a large a and b of opposite signs do not cancel late
        a, b = a + middle, b - middle
        order = b.detach().argsort(dim=1, descending=True)
        sorted_b = b.gather(1, order)
        sorted_v = v.gather(1, order[:, :, None].expand_as(v))
        sums = torch.cat([sorted_v, sorted_b[:, :, None] * sorted_v], dim=2).cumsum(dim=1)  # (B, M, 2 e)
        sums = pad(sums, (0, 0, 1, 0))  # no key at all
        rank = _num_above(sorted_b.detach(), -a.detach())
        plain, weighted = sums.gather(1, rank[:, :, None].expand(-1, -1, sums.shape[2])).chunk(2, dim=2)
        return ((a[:, :, None] * plain + weighted) / right.shape[1]).to(values.dtype)


def _num_above(descending: Tensor, limits: Tensor) -> Tensor:
    """How many of the sorted values (B, M) are greater than each limit (B, N): int64 (B, N)."""
    if not (torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()):
        return torch.searchsorted(-descending, -limits.contiguous())
    limits_first = torch.cat([-limits, -descending], dim=1)  # ONNX has no searchsorted: count in the joined order
    places = limits_first.argsort(dim=1)  # where the two are equal either order will do: the pair weighs nothing
    is_key = (places >= limits.shape[1]).long()
    counted = is_key.cumsum(dim=1)
    return torch.zeros_like(counted).scatter(1, places, counted)[:, : limits.shape[1]]
