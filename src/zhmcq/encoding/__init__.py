"""Questions → token ids → prefix-tree rows → tensors and mask."""

from zhmcq.encoding.encode import EncodedQuestion, Encoder

__all__ = ["EncodedQuestion", "Encoder"]
