"""Weights as safetensors: what goes in comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gcvideo.errors import InputError
from gcvideo.models.weights import load_pretrained
from gcvideo.safe_load import UnreadableFile, load_safetensors
from tests.exporting.saved_models import network

safetensors = pytest.importorskip("safetensors")


def test_a_file_fills_another_network_to_the_last_bit(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source, target = network(), network()
    save_file({name: value.contiguous() for name, value in source.state_dict().items()}, tmp_path / "w.safetensors")
    assert load_pretrained(target, str(tmp_path / "w.safetensors")) == []
    for name, value in source.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(target.state_dict()[name], value), name


@pytest.mark.parametrize("content", [b"", b"no weights", b'\x08\0\0\0\0\0\0\0{"a": 1}'])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"model.pretrained .*w\.safetensors is damaged, or no safetensors file"):
        load_safetensors(path, "model.pretrained")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"stem": torch.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="not the weights of this network: stem has no place in it"):
        load_pretrained(network(), str(tmp_path / "w.safetensors"))
