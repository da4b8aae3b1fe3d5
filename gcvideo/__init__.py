"""gcvideo: action recognition in video with spacetime context blocks."""

__version__ = "0.1.0"
