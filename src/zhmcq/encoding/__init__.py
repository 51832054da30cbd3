"""Questions → token ids → prefix-tree rows → tensors and mask."""

from zhmcq.encoding._encode import EncodedQuestion, Encoder, EncodingProblem
from zhmcq.encoding._tree import Branch, PackedRow, pack

__all__ = ["Branch", "EncodedQuestion", "Encoder", "EncodingProblem", "PackedRow", "pack"]
