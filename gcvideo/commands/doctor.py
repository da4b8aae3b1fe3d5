"""Tell what is installed, what is at hand, and what is missing for what."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("torch", "torchvision", "lightning", "pytorchvideo", "av", "decord", "wandb", "torchmetrics", "matplotlib")
_COMPROMISED = {"lightning": ("2.6.2", "2.6.3")}
_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "wmv2", "mjpeg", "mpeg2video")
_GIB = 2**30

# Status, what was looked at, what was found.
_Row = tuple[str, str, str]


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo doctor``; 1 if training would fail."""
    parser().parse_args(arguments)
    rows = [row for look in (_versions, _decoders, _devices, _wandb, _disk) for row in _looked(look)]
    width = max(len(name) for _, name, _ in rows)
    for status, name, found in rows:
        print(f"{status:<7} {name:<{width}}  {found}")
    broken = sum(status == "MISSING" for status, _, _ in rows)
    print("\nall that training needs is here" if not broken else f"\n{broken} things that training needs are missing")
    return 1 if broken else 0


def parser() -> argparse.ArgumentParser:
    """The options of the command (none)."""
    return argparse.ArgumentParser(
        prog="gcvideo doctor",
        description="Checks packages, video codecs, GPUs, the W&B login and disk space. A line that starts with 'ok' "
        "is fine, 'note' says what would be better with it, 'MISSING' must be mended before training.",
    )


def _looked(look: Callable[[], Iterator[_Row]]) -> list[_Row]:
    """The rows of one part; what cannot even be imported is a row of its own."""
    rows: list[_Row] = []
    try:
        rows.extend(look())
    except ImportError as error:
        rows.append(("MISSING", str(error.name), f"cannot be imported: {error}; install it with: pip install gcvideo"))
    return rows


def _versions() -> Iterator[_Row]:
    import gcvideo

    yield "ok", "gcvideo", f"{gcvideo.__version__} on Python {platform.python_version()}, {platform.platform()}"
    for package in _PACKAGES:
        yield _package(package)


def _package(package: str) -> _Row:
    try:
        found = version(package)
    except PackageNotFoundError:
        if package == "decord":
            return "note", package, "not installed (it has wheels for x86-64 only); PyAV reads every video, more slowly"
        return "MISSING", package, "install it with: pip install gcvideo"
    if found in _COMPROMISED.get(package, ()):
        return "MISSING", package, f"{found} was compromised; mend it with: pip install -U {package}"
    return "ok", package, found


def _decoders() -> Iterator[_Row]:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    def has(name: str, mode: str) -> bool:
        try:
            Codec(name, mode)  # type: ignore[arg-type]
        except UnknownCodecError:
            return False
        return True

    found = [name for name in _CODECS if has(name, "r")]
    missing = [name for name in _CODECS if name not in found]
    yield ("note" if missing else "ok"), "decoders", ", ".join(found) + (f"; not {', '.join(missing)}" * bool(missing))
    if has("libx264", "w"):
        yield "ok", "encoder", "libx264 (the demo and annotated videos)"
    else:
        yield "note", "encoder", "no libx264 in PyAV: gcvideo demo cannot write its videos"


def _devices() -> Iterator[_Row]:
    import torch

    yield "ok", "processors", f"{os.cpu_count()} ({torch.get_num_threads()} used by torch)"
    if not torch.cuda.is_available():
        yield "note", "GPU", "none that torch can use: small networks and the demo train on the processor"
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield "ok", f"GPU {number}", f"{properties.name}, {properties.total_memory / _GIB:.0f} GiB"


def _wandb() -> Iterator[_Row]:
    from gcvideo.tracking.wandb_run import has_api_key

    if has_api_key():
        yield "ok", "W&B", "an API key is configured: runs are online (WANDB_MODE=offline changes that)"
    else:
        yield "note", "W&B", "no API key: runs are recorded offline; log in with: wandb login"


def _disk() -> Iterator[_Row]:
    cache = Path(os.environ.get("GCVIDEO_CACHE") or Path.home())
    for name, folder in {"working folder": Path.cwd(), "cache": cache}.items():
        folder = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(folder).free / _GIB
        yield ("ok" if free > 5 else "note"), name, f"{folder}: {free:.0f} GiB free"
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free / _GIB
        hint = "" if free > 1 else "; loader workers need more (docker run --shm-size=8g)"
        yield ("ok" if free > 1 else "note"), "shared memory", f"{free:.1f} GiB free{hint}"
