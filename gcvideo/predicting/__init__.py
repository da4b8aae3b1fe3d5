"""From a checkpoint and videos to predictions."""
