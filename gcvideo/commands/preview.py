"""Show what a config really feeds the network, as a picture and a film."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gcvideo.commands._arguments import CommandParser
from gcvideo.commands._tables import dimensions, table
from gcvideo.errors import InputError, plain

if TYPE_CHECKING:
    from gcvideo.commands._preview import Preview

_MOST_CLIPS = 64
_EXAMPLES = """examples:
  gcvideo preview --config folder --data.root MY_VIDEOS
  gcvideo preview --config folder --data.root MY_VIDEOS --split val --num 16
  gcvideo preview --config folder --data.root MY_VIDEOS --data.augmentation.randaugment=2 --model.mixing.cutmix=0

Written are DIR/preview_SPLIT.png (a row a clip, a column a frame) and DIR/preview_SPLIT.mp4 (all clips side by side).
They are the samples of the first epoch, in the order and with the draws of gcvideo fit on one device; in training after
mixup and cutmix, with the share of each class in the target. Nothing is trained."""


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo preview``; options it does not know are those of fit."""
    options, for_fit = parser().parse_known_args(arguments)
    out = Path(options.out).expanduser()
    if not 1 <= options.num <= _MOST_CLIPS:
        raise InputError(f"--num is {options.num}; expected 1 to {_MOST_CLIPS} clips", exit_code=2)
    _check_writable(out)
    from gcvideo.commands._mosaic import draw_grid, write_film
    from gcvideo.commands._preview import look

    preview = look(options.config, for_fit, split=options.split, num_clips=options.num)
    out.mkdir(parents=True, exist_ok=True)
    picture, film = (out / f"preview_{options.split}.{ending}" for ending in ("png", "mp4"))
    pixels = [clip.pictures() for clip in preview.clips]
    captions = [clip.caption(number) for number, clip in enumerate(preview.clips, 1)]
    shown = draw_grid(pixels, captions, picture)
    write_film(pixels, captions, film, fps=preview.fps)
    print(plain(_text(preview)))
    print(plain(f"wrote {picture}: {shown} frames of each clip\nwrote {film}: {preview.fps:.3g} frames a second"))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = CommandParser(
        prog="gcvideo preview",
        usage="gcvideo preview --config NAME_OR_FILE [--out DIR] [--num N] [--split SPLIT] [--any.key=value ...]",
        description="What the network really gets: cut, flipped, coloured, erased, mixed. Look at it before training.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = "a shipped config or a YAML, as for fit; --any.key=value changes it"
    result.add_argument("--config", required=True, action="append", metavar="NAME_OR_FILE", help=what)
    result.add_argument("--out", default="preview", metavar="DIR", help="where the two files go (default: %(default)s)")
    result.add_argument("--num", type=int, default=8, help="clips (default: %(default)s)")
    splits = ["train", "val", "test"]
    result.add_argument("--split", choices=splits, default="train", help="which videos (default: %(default)s)")
    return result


def _check_writable(out: Path) -> None:
    """Before the videos are indexed, which may take a while."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"--out {out}: {existing} is not a folder that can be written to; name another one")


def _text(preview: Preview) -> str:
    """What the clips are, and what the network will do with their pixels."""
    pixels = preview.clips[0].pixels
    rows = [[str(number), *clip.described()] for number, clip in enumerate(preview.clips, 1)]
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (preview.mean, preview.std))
    lines = [
        f"{preview.split}, first epoch, seed {preview.seed}; a clip: {dimensions(pixels.shape)} (colours, frames, px)",
        table(["clip", "target", "size", "frames", "fps", "video"], rows, left=6),
        *(f"cannot be read: {failure}" for failure in preview.failures),
        f"pixels: {'0 to 1, as float' if pixels.is_floating_point() else '0 to 255, as uint8'}; the network scales "
        f"uint8 to 0-1, subtracts the mean {mean} and divides by std {std}",
    ]
    if preview.smoothing:
        lines.append(f"label smoothing: {100 * preview.smoothing:g} % of each target are spread over all classes")
    return "\n".join(lines)
