"""Turns decoded frames into upright pictures of one size for an encoder.

They stay in YUV: a detour by RGB would cost colour and time.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.frame import PictureType

from gcvideo.data.decoding.rgb import upright

COLOUR_TAGS = ("colorspace", "color_range", "color_primaries", "color_trc")


class YuvFilter:
    """Frames of one video to yuv420p of one size, with the matrix of the stream, limited range, and its colour tags.

    It is ffmpeg's own filter with ffmpeg's own settings: ``VideoFrame.reformat`` scales the fields of interlaced video
    one by one. RGB becomes BT.709.

    Args:
        width: pixels of the stored picture, before it is turned; even.
        height: likewise.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._kind: tuple[object, ...] = ()
        self._graph = av.filter.Graph()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """An upright picture, of which the encoder decides whether it is a key frame."""
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if kind != self._kind:
            self._kind, self._graph = kind, self._new_graph(frame)
        self._graph.push(frame)
        picture = self._graph.pull()
        assert isinstance(picture, av.VideoFrame)
        picture = _upright(picture, frame)
        picture.pict_type = PictureType.NONE
        return picture

    def _new_graph(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = 1
        # The matrix is told here, too: the filter would convert it to one that is not told to the encoder.
        stored = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1000"
        source = graph.add("buffer", f"{stored}:colorspace={int(frame.colorspace)}:range={int(frame.color_range)}")
        matrix = ":out_color_matrix=bt709" if frame.format.is_rgb else ""
        scale = graph.add("scale", f"{self._size[0]}:{self._size[1]}:flags=bicubic:out_range=tv{matrix}")
        yuv, sink = graph.add("format", "pix_fmts=yuv420p"), graph.add("buffersink")
        graph.link_nodes(source, scale, yuv, sink).configure()
        return graph


def _upright(picture: av.VideoFrame, frame: av.VideoFrame) -> av.VideoFrame:
    """Turns and mirrors a yuv420p picture as the display matrix of its frame says, each plane by itself."""
    height, width = picture.height, picture.width
    flat, area = picture.to_ndarray().reshape(-1), height * width
    planes = [flat[:area].reshape(height, width), *flat[area:].reshape(2, height // 2, width // 2)]
    turned = [upright(plane, frame) for plane in planes]
    if turned[0] is planes[0]:
        return picture
    packed = np.concatenate([plane.reshape(-1) for plane in turned]).reshape(-1, turned[0].shape[1])
    result = av.VideoFrame.from_ndarray(packed, format="yuv420p")
    for name in COLOUR_TAGS:
        setattr(result, name, getattr(picture, name))
    return result
