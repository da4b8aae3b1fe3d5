"""``gcvideo predict --stream``: a line a window until the stream ends or Ctrl-C."""

from __future__ import annotations

import argparse

from gcvideo.errors import InputError, plain
from gcvideo.predicting.devices import make_fabric
from gcvideo.predicting.prediction import check_top, percent
from gcvideo.predicting.saved_model import load_model
from gcvideo.predicting.stream import clip_seconds, predict_window, stream_windows
from gcvideo.predicting.views import parse_views


def follow(options: argparse.Namespace) -> int:
    """Prints what is seen; Ctrl-C is how it is ended, so that is no failure."""
    check_top(options.top)
    if options.devices != 1:
        raise InputError(f"--devices is {options.devices}; a stream is seen by 1", exit_code=2)
    if options.stride is not None:
        raise InputError("--stream has windows one after the other; leave --stride out", exit_code=2)
    saved = load_model(options.ckpt_path)
    views = parse_views(options.views, saved.preprocessing)
    seconds = clip_seconds(saved.preprocessing) if options.window is None else options.window
    if not 0 < seconds < float("inf"):
        raise InputError(f"--window is {seconds:g}; expected seconds above 0", exit_code=2)
    fabric = make_fabric(options.accelerator, 1, options.precision or saved.precision)
    try:
        for window in stream_windows(options.stream, seconds):
            found = predict_window(saved, window, views, fabric, options.top)
            best = zip(found.labels, found.probabilities, strict=True)
            text = ", ".join(f"{label} {percent(probability)}" for label, probability in best)
            print(plain(f"{found.start:8.1f} - {found.end:.1f} s  {text}"), flush=True)
    except KeyboardInterrupt:
        pass
    return 0
