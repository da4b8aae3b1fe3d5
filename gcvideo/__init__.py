"""gcvideo: action recognition in video with spacetime context blocks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcvideo.predictor import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``gcvideo.load``, see ``predictor.py``; it imports torch, which ``gcvideo --version`` does without."""
    if name == "load":
        from gcvideo.predictor import load

        return load
    raise AttributeError(f"module 'gcvideo' has no attribute {name!r}")
