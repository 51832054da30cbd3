"""Questions → token ids → prefix-tree rows → tensors and mask."""

from zhmcq.encoding._encode import EncodedQuestion, Encoder, EncodingProblem

__all__ = ["EncodedQuestion", "Encoder", "EncodingProblem"]
