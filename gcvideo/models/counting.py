"""Parameters, multiply-adds and activation memory of a network, counted where nothing is computed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from gcvideo.models.network import Network
from gcvideo.models.recompute import RecomputedStage

MACS = (
    "multiply-adds of convolutions, linear layers and matrix products, one clip; norms, pools and ReLU not counted; "
    "context blocks as in their papers (concatenation with w_f applied to theta and phi once each)"
)
ACTIVATIONS = "tensors kept for the backward pass, without parameters, gradients, optimizer and workspace"


class Clip(NamedTuple):
    """The size of a clip: frames, then pixels."""

    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class Part:
    """A stage of a network, or a block in one.

    Attributes:
        name: stem, res2 to res5, head; of a block the path of its slot.
        params: number of parameters.
        macs: multiply-adds for one clip, of a context block in the form its paper has.
        executed: those of the form that runs here, which may be cheaper.
        shape: (C, T, H, W) of its output; (K,) of the head's.
    """

    name: str
    params: int
    macs: int
    executed: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Count:
    """What a network costs; ``blocks`` are part of the ``stages``."""

    clip: Clip
    params: int
    trainable: int
    macs: int
    executed: int
    stages: list[Part]
    blocks: list[Part]


def count(network: Network, clip: Clip) -> Count:
    """Counts a network that lies on the meta device.

    Args:
        network: built under ``torch.device("meta")``.
        clip: the size it is counted for.

    Raises:
        ValueError: if the clip is too small for the network.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    stages = network.stages()
    watched = {path for paths in stages.values() for path in paths} | set(network.block_paths)
    with _shapes_noted(network, watched, shapes):
        executed = _macs(network, clip)
        with _as_in_the_papers(network):
            macs = _macs(network, clip) if network.block_paths else executed

    def part(name: str, paths: list[str]) -> Part:
        params = sum(p.numel() for path in paths for p in network.get_submodule(path).parameters())
        textbook, run = (sum(numbers.get(path, 0) for path in paths) for numbers in (macs, executed))
        return Part(name, params, textbook, run, shapes[paths[-1]])

    parameters = list(network.parameters())
    return Count(
        clip,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        macs[""],
        executed[""],
        [part(name, paths) for name, paths in stages.items()],
        [part(path, [path]) for path in network.block_paths],
    )


def activation_bytes(network: Network, clip: Clip, batch_size: int, *, bf16: bool) -> dict[str, int]:
    """Memory that one training step keeps for its backward pass, by stage.

    A checkpointed stage keeps its input alone; the largest of them is held once more while its backward runs, and
    stands under ``recomputed``.

    Args:
        network: on any device; it is left as it is.
        clip: the size of a clip.
        batch_size: clips in a batch.
        bf16: whether under autocast to bfloat16.
    """
    stages = {path: name for name, paths in network.stages().items() for path in paths}
    again = {stages[f"blocks.{n}"] for n, block in enumerate(network.blocks) if isinstance(block, RecomputedStage)}
    fake = copy.deepcopy(network).train()
    for block in fake.blocks:
        if isinstance(block, RecomputedStage):
            block.recomputes = False
    keeper = _Keeper(again)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake.to_empty(device="cpu")
        keeper.leave_out(fake)
        for path, stage in stages.items():
            fake.get_submodule(path).register_forward_pre_hook(keeper.enters(stage))
        with keeper.hooks(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            _run(fake, torch.empty(batch_size, 3, *clip, dtype=torch.uint8))
    return keeper.kept | {"recomputed": max(keeper.again.values(), default=0)}


class _Keeper:
    """Notes what autograd keeps: each storage once, under the stage that keeps it first.

    Attributes:
        kept: bytes by stage; of a checkpointed one its input, where nothing else keeps that.
        again: bytes by checkpointed stage while it is computed again.
    """

    def __init__(self, checkpointed: set[str]) -> None:
        self.kept: dict[str, int] = {}
        self.again = dict.fromkeys(checkpointed, 0)
        self._stage = ""
        self._seen: dict[int, Tensor] = {}  # a storage's address and a tensor of it, which keeps the address taken
        self._seen_again: dict[int, Tensor] = {}

    def leave_out(self, network: nn.Module) -> None:
        """Parameters and buffers do not count."""
        self._seen |= {_storage(p): p for p in [*network.parameters(), *network.buffers()]}

    def enters(self, stage: str) -> Callable[..., None]:
        """A hook for the module that begins a stage."""

        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._stage, self._seen_again = stage, {}
            self.kept.setdefault(stage, 0)
            if stage in self.again:
                self._keep(inputs[0])

        return hook

    def hooks(self) -> saved_tensors_hooks:
        """Notes every tensor that is saved for the backward pass."""
        return saved_tensors_hooks(self._pack, lambda packed: packed)

    def _pack(self, tensor: Tensor) -> Tensor:
        if self._stage not in self.again:
            self._keep(tensor)
        elif _storage(tensor) not in self._seen | self._seen_again:
            self._seen_again[_storage(tensor)] = tensor
            self.again[self._stage] += tensor.untyped_storage().nbytes()
        return tensor

    def _keep(self, tensor: Tensor) -> None:
        if _storage(tensor) not in self._seen:
            self._seen[_storage(tensor)] = tensor
            self.kept[self._stage] += tensor.untyped_storage().nbytes()


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _macs(network: Network, clip: Clip) -> dict[str, int]:
    """Multiply-adds of one clip by the path of the module; the whole stands under the empty path."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        _run(network.eval(), torch.empty(1, 3, *clip, device="meta"))
    flops = {path.partition(".")[2]: sum(ops.values()) // 2 for path, ops in counter.get_flop_counts().items()}
    return flops | {"": counter.get_total_flops() // 2}


@contextmanager
def _as_in_the_papers(network: Network) -> Iterator[None]:
    blocks = [block for block in map(network.get_submodule, network.block_paths) if hasattr(block, "reference")]
    for block in blocks:
        block.forward = block.reference  # type: ignore[assignment]
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


@contextmanager
def _shapes_noted(network: nn.Module, paths: set[str], shapes: dict[str, tuple[int, ...]]) -> Iterator[None]:
    def noting(path: str) -> Callable[..., None]:
        return lambda module, inputs, output: shapes.__setitem__(path, tuple(output.shape[1:]))

    hooks = [network.get_submodule(path).register_forward_hook(noting(path)) for path in paths]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _run(network: Network, clips: Tensor) -> None:
    try:
        network(clips)
    except RuntimeError as error:
        size = "x".join(map(str, clips.shape[2:]))
        raise ValueError(f"a clip of {size} (frames x height x width) does not fit the network: {error}") from error
