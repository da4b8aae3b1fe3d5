"""Tell what is installed, what is at hand, and what is missing for what."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gcvideo.commands._arguments import CommandParser
from gcvideo.errors import InputError

# How each is imported, so that what is installed and cannot be loaded is found.
_PACKAGES = {
    name: name
    for name in ("torch", "torchvision", "lightning", "pytorchvideo", "av", "wandb", "torchmetrics", "matplotlib")
}
_OPTIONAL = {"decord": "decord", "torchcodec": "torchcodec.decoders"}
_INSTEAD = {
    "decord": "PyAV reads every video, more slowly (decord has wheels for x86-64 only)",
    "torchcodec": "one decoder less; pip install 'gcvideo[torchcodec]' adds it, and it needs FFmpeg's libraries",
}
_COMPROMISED = {"lightning": ("2.6.2", "2.6.3")}
_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "wmv2", "mjpeg", "mpeg2video")
_CANNOT_LOAD = (ImportError, OSError, RuntimeError)  # of a package without its libraries, or with others
_WIDTH = len("working folder")
_GIB = 2**30

# Status, what was looked at, what was found.
_Row = tuple[str, str, str]


def main(arguments: list[str]) -> int:
    """Runs ``gcvideo doctor``; 1 if training would fail."""
    parser().parse_args(arguments)
    broken = 0
    looks = {"packages": _versions, "decoders": _decoders, "devices": _devices, "W&B": _wandb, "disk": _disk}
    for part, look in looks.items():
        for status, name, found in _looked(part, look):
            print(f"{status:<7} {name:<{_WIDTH}}  {found}", flush=True)
            broken += status == "MISSING"
    print("\nall that training needs is here" if not broken else f"\n{broken} things that training needs are missing")
    return 1 if broken else 0


def parser() -> argparse.ArgumentParser:
    """The options of the command (none)."""
    return CommandParser(
        prog="gcvideo doctor",
        description="Checks packages, video codecs, GPUs, the W&B login and disk space. A line that starts with 'ok' "
        "is fine, 'note' says what would be better with it, 'MISSING' must be mended before training.",
    )


def _looked(part: str, look: Callable[[], Iterator[_Row]]) -> Iterator[_Row]:
    """The rows of one part; what cannot be looked at is a row of its own."""
    try:
        yield from look()
    except _CANNOT_LOAD as error:
        yield "MISSING", part, f"cannot be looked at: {_first_line(error)}"
    except InputError as error:
        yield "MISSING", part, str(error)


def _versions() -> Iterator[_Row]:
    import gcvideo

    yield "ok", "gcvideo", f"{gcvideo.__version__} on Python {platform.python_version()}, {platform.platform()}"
    for package, module in (_PACKAGES | _OPTIONAL).items():
        yield _package(package, module)


def _package(package: str, module: str) -> _Row:
    status = "note" if package in _OPTIONAL else "MISSING"
    instead = _INSTEAD.get(package)
    try:
        found = version(package)
        if found in _COMPROMISED.get(package, ()):
            return "MISSING", package, f"{found} was compromised; mend it with: pip install -U {package}"
        importlib.import_module(module)
    except PackageNotFoundError:
        return status, package, f"not installed: {instead or 'install it with: pip install gcvideo'}"
    except _CANNOT_LOAD as error:
        cure = instead or f"install it anew with: pip install --force-reinstall {package}"
        return status, package, f"{found} is installed and cannot be loaded ({_first_line(error)}): {cure}"
    return "ok", package, found


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _decoders() -> Iterator[_Row]:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    from gcvideo.data.decoding.decode import READERS, is_installed

    def has(name: str, mode: str) -> bool:
        try:
            Codec(name, mode)  # type: ignore[arg-type]
        except UnknownCodecError:
            return False
        return True

    yield "ok", "readers", ", ".join(name for name in READERS if is_installed(name))
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
    from gcvideo.tracking.wandb_account import has_api_key, planned_mode, wandb_settings

    settings = wandb_settings()
    mode, has_key = planned_mode(settings), has_api_key(settings)
    key = f"an API key for {settings.base_url} is configured" if has_key else f"no API key for {settings.base_url}"
    if mode == "disabled":
        yield "ok", "W&B", "off, by WANDB_MODE or a settings file: no W&B run is kept"
    elif mode in ("offline", "dryrun"):
        why = f"as set by WANDB_MODE or a settings file; {key}" if settings.mode == mode else f"{key}: wandb login"
        yield ("ok" if settings.mode == mode else "note"), "W&B", f"runs are recorded offline ({why})"
    elif has_key:
        yield "ok", "W&B", f"runs are online: {key} (WANDB_MODE=offline changes that)"
    else:
        yield "note", "W&B", f"runs should be online ({mode}) and will be recorded offline: {key}"


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
