"""A run of any shipped config as a matter of a second."""

from __future__ import annotations

# Options that make a run of any shipped config a matter of a second.
SMALL = [
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--model.backbone.width=8",
    "--data.num_frames=4",
    "--data.frame_stride=2",
    "--data.crop_px=32",
    "--data.batch_size=4",
    "--data.num_workers=0",
]
