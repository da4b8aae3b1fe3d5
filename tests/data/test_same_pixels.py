"""The same (seed, epoch, sample) gives the same pixels, however many processes read and train.

    python -m tests.data.test_same_pixels MANIFEST OUT

is one real training on two ranks that writes what each of them was given.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.encode import write_video
from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.transforms import Augmentation
from gcvideo.records import Batch

_VIDEOS, _EPOCHS = 12, 2
_Pixels = dict[str, str]  # "epoch video" to a digest of its clips


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos of noise to train on, and two to choose by, which a fit asks for."""
    folder = tmp_path_factory.mktemp("noise")
    generator, entries = np.random.default_rng(0), []
    for number in range(_VIDEOS + 2):
        path = folder / f"{number}.mp4"
        write_video(path, generator.integers(0, 256, (20, 48, 64, 3), dtype=np.uint8), fps=25, crf=30)
        entries.append(Entry(path, number % 2, "train" if number < _VIDEOS else "val"))
    index_videos(Annotations(("a", "b"), tuple(entries)), folder / "manifest.csv", num_workers=1)
    return folder / "manifest.csv"


def _data(manifest: Path, num_workers: int, seed: int = 3) -> VideoFolder:
    varied = Augmentation(jitter=0.4, randaugment=2, erasing=0.25)
    return VideoFolder(
        manifest=str(manifest), num_frames=4, frame_stride=2, crop_px=32, short_side_px=36, clips_per_video=2,
        batch_size=3, num_workers=num_workers, augmentation=varied, seed=seed,
    )  # fmt: skip


def _digests(epoch: int, batch: Batch) -> _Pixels:
    assert batch.failures == ()
    digests = [hashlib.sha256(clips.numpy().tobytes()).hexdigest() for clips in batch.clips]
    return {f"{epoch} {index}": digest for index, digest in zip(batch.video_indices.tolist(), digests, strict=True)}


def _read(manifest: Path, num_workers: int, epochs: Iterable[int] = range(_EPOCHS), seed: int = 3) -> _Pixels:
    loader, pixels = _data(manifest, num_workers, seed).train_dataloader(), _Pixels()
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in loader:
            assert isinstance(batch, Batch)
            pixels |= _digests(epoch, batch)
    return pixels


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_number_of_workers_changes_no_pixel(manifest: Path) -> None:
    expected = _read(manifest, 0)
    assert len(expected) == len(set(expected.values())) == _VIDEOS * _EPOCHS
    for num_workers in (1, 2, 4):
        assert _read(manifest, num_workers) == expected


def test_epoch_that_is_begun_with_is_the_same(manifest: Path) -> None:
    """A run continued after an epoch."""
    both = _read(manifest, 0)
    assert _read(manifest, 2, epochs=[1]) == {key: value for key, value in both.items() if key.startswith("1 ")}


def test_other_seed_gives_other_pixels(manifest: Path) -> None:
    assert not set(_read(manifest, 0).values()) & set(_read(manifest, 0, seed=4).values())


def test_number_of_ranks_changes_no_pixel(manifest: Path, tmp_path: Path) -> None:
    """Real processes, gloo."""
    command = [sys.executable, "-m", "tests.data.test_same_pixels", str(manifest), str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=200, capture_output=True)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [len(pixels) for pixels in ranks] == [_VIDEOS * _EPOCHS // 2] * 2
    assert ranks[0] | ranks[1] == _read(manifest, 0)


class _Listing(LightningModule):
    """Trains one number, and keeps the digest of what it is given."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.out, self.pixels = out, _Pixels()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.pixels |= _digests(self.current_epoch, batch)
        return self.weight * 1.0

    def on_train_end(self) -> None:
        (self.out / f"{self.global_rank}.json").write_text(json.dumps(self.pixels))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def main(manifest: Path, out: Path) -> None:
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=_EPOCHS, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(_Listing(out), datamodule=_data(manifest, num_workers=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
