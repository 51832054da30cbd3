"""Questions → token ids → prefix-tree rows → tensors and mask."""

from zhmcq.encoding._batch import PackedBatch, batches, collate
from zhmcq.encoding._encode import (
    EncodedQuestion,
    Encoder,
    EncodingProblem,
    encode_all,
    question_name,
    render_prompt,
)
from zhmcq.encoding._passes import PassPlan
from zhmcq.encoding._tokens import TokenCodec
from zhmcq.encoding._tree import Branch, PackedRow, PrefixTree, pack, pack_flat

__all__ = [
    "Branch",
    "EncodedQuestion",
    "Encoder",
    "EncodingProblem",
    "PackedBatch",
    "PackedRow",
    "PassPlan",
    "PrefixTree",
    "TokenCodec",
    "batches",
    "collate",
    "encode_all",
    "pack",
    "pack_flat",
    "question_name",
    "render_prompt",
]
