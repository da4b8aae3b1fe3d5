"""The short program that is written beside an exported file, and runs it where gcvideo is not installed."""

from __future__ import annotations

import json
from string import Template

from gcvideo.exporting.formats import ONNX, FileFormat
from gcvideo.predicting.saved_model import SavedModel

_NEEDS = {"onnx": "av numpy onnxruntime", "torch-export": "av numpy torch torchvision"}
_IMPORTS = {
    "onnx": "import av\nimport numpy as np\nimport onnxruntime\n",
    "torch-export": (
        "import av\nimport numpy as np\nimport torch\nfrom torchvision.transforms.v2.functional import resize\n"
    ),
}
_HEAD = '''"""The likeliest classes of a video, by the model beside this script. Needs: pip install ${needs}

It decodes with PyAV and stops at a damaged packet, which gcvideo passes over. Where gcvideo decodes with decord, the
colours of 10 bit and of odd sizes differ by some levels.
"""

import json
import sys
from pathlib import Path

${imports}
HERE = Path(__file__).parent
INFO = json.loads((HERE / ${sidecar}).read_text(encoding="utf-8"))  # the steps below stand in it in words
HOW = INFO["preprocessing"]
SHORT, CROP = HOW["short_side_px"], HOW["val_views"]["crop_px"]


def decoded(video):
    with av.open(video) as container:
        yield from container.decode(video=0)


def rgb(frame):
    graph = av.filter.Graph()  # ffmpeg's own conversion
    of = {"width": frame.width, "height": frame.height, "format": frame.format, "time_base": frame.time_base}
    graph.link_nodes(graph.add_buffer(**of), graph.add("format", "pix_fmts=rgb24"), graph.add("buffersink")).configure()
    graph.push(frame)
    return np.rot90(graph.pull().to_ndarray(), round(frame.rotation / 90))


def frame_numbers(video):
    steps = np.arange(HOW["num_frames"])
${numbers}

'''
_END = {"loop": "numbers % total", "hold": "np.minimum(numbers, total - 1)"}
_DENSE = """    total = sum(1 for _ in decoded(video))
    span = (len(steps) - 1) * HOW["frame_stride"] + 1
    numbers = max(0, total - span) // 2 + steps * HOW["frame_stride"]
    return ${end}
"""
_SEGMENTS = """    total = sum(1 for _ in decoded(video))
    return ((steps + 0.5) * total / len(steps)).astype(int)
"""
_TIMED_END = {"loop": "moments % duration", "hold": "duration"}
_TIMED = """    times = np.array([frame.time for frame in decoded(video)])
    times -= times[0]
    rate = round((len(times) - 1) / times[-1], 6) if len(times) > 1 else 25.0
    if np.ptp(times * rate - np.arange(len(times))) <= 0.5:  # as good as constant
        times = np.arange(len(times)) / rate
    moments, duration = steps * HOW["frame_stride"] / HOW["target_fps"], times[-1] + 1 / rate
    moments += max(0, times[-1] - moments[-1]) / 2
    moments = np.where(moments < duration - 1e-6, moments, ${end})
    return np.maximum(np.searchsorted(times, moments + 1e-6, side="right") - 1, 0)
"""
_RESIZE_NUMPY = '''def resized(pictures, axis, size):
    """Along one axis, in the integers of torch's resize: equal to the last bit."""
    old = pictures.shape[axis]
    if old == size:
        return pictures
    centres, reach = (np.arange(size) + 0.5) * (old / size), max(old / size, 1)
    weights = np.maximum(0, 1 - np.abs(np.arange(old) + 0.5 - centres[:, None]) / reach)
    weights /= weights.sum(1, keepdims=True)
    bits = next(b for b in range(23) if b == 22 or int(0.5 + weights.max() * 2 ** (b + 1)) >= 2**15)
    sums = np.tensordot(np.floor(weights * 2**bits + 0.5), pictures.astype(float), (1, axis))
    return np.moveaxis(np.clip(np.floor(sums / 2**bits + 0.5), 0, 255).astype(np.uint8), 0, axis)


'''
_PROBABILITIES = """def clip_of(video):
    numbers = frame_numbers(video).tolist()
    pictures = {number: rgb(frame) for number, frame in enumerate(decoded(video)) if number in numbers}
    clip = np.stack([pictures[number] for number in numbers])  # frames, height, width, colours
${resize}
    top, left = round((height - CROP) / 2), round((width - CROP) / 2)
    return np.ascontiguousarray(clip[:, top : top + CROP, left : left + CROP].transpose(3, 0, 1, 2))


def probabilities(video):
${run}


if __name__ == "__main__":
    found = probabilities(sys.argv[1])
    for number in np.argsort(-found)[:5]:
        print(f"{found[number]:.4f}  {INFO['classes'][number]}")
"""
_RESIZE = {
    "onnx": """    height, width = clip.shape[1:3]
    scale = [SHORT, int(SHORT * height / width)] if width <= height else [int(SHORT * width / height), SHORT]
    clip = resized(resized(clip, 2, scale[0]), 1, scale[1])
    height, width = clip.shape[1:3]""",
    "torch-export": """    clip = resize(torch.from_numpy(clip).permute(0, 3, 1, 2), [SHORT], antialias=True)
    clip = clip.permute(0, 2, 3, 1).numpy()
    height, width = clip.shape[1:3]""",
}
_RUN = {
    "onnx": """    session = onnxruntime.InferenceSession(HERE / ${model}, providers=["CPUExecutionProvider"])
    return session.run(None, {"clips": clip_of(video)[None]})[0][0]""",
    "torch-export": """    model = torch.export.load(HERE / ${model}).module()
    return model(torch.from_numpy(clip_of(video)[None]))[0].detach().numpy()""",
}


def script(saved: SavedModel, kind: FileFormat, model: str, sidecar: str) -> str:
    """The program.

    Args:
        saved: whose preprocessing it does.
        kind: the format of the file.
        model: its name.
        sidecar: name of the description beside it.
    """
    text = _HEAD + (_RESIZE_NUMPY if kind is ONNX else "") + _PROBABILITIES
    return Template(text).substitute(
        needs=_NEEDS[kind.name],
        imports=_IMPORTS[kind.name],
        numbers=_numbers(saved),
        resize=_RESIZE[kind.name],
        run=Template(_RUN[kind.name]).substitute(model=json.dumps(model)),
        sidecar=json.dumps(sidecar),
    )


def _numbers(saved: SavedModel) -> str:
    how = saved.preprocessing
    if how.sampling == "segments":
        return _SEGMENTS
    text, end = (_DENSE, _END) if how.target_fps is None else (_TIMED, _TIMED_END)
    return Template(text).substitute(end=end[how.short])
