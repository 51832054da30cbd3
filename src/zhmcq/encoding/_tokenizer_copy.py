"""Copies of a tokenizer that no other thread changes, with one vocabulary between them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from zhmcq.errors import EncodingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["tokenizer_copy"]


def tokenizer_copy(
    tokenizer: PreTrainedTokenizerBase, *, split_special_tokens: bool
) -> PreTrainedTokenizerBase:
    """A copy that always encodes in one way, whatever is done with the original meanwhile.

    A fast tokenizer keeps its switches (special tokens as text, truncation, padding) in an object
    that all its callers share, and each call sets them before it encodes. Two threads with other
    settings then encode with each other's. The copy has switches of its own, which no call has
    to set again. It shares the vocabulary, and so takes milliseconds and hardly any memory also
    with 262,000 tokens. A slow tokenizer has no such switches and is returned as it is.

    Args:
        tokenizer: A tokenizer of transformers.
        split_special_tokens: What the copy is called with: whether special tokens in a text are
            text like any other.

    Raises:
        EncodingError: If the copy would have other ids.
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return tokenizer
    result: Any = copy.copy(tokenizer)
    result._tokenizer = _same_vocabulary(backend)
    result._tokenizer.encode_special_tokens = split_special_tokens
    result.split_special_tokens = split_special_tokens
    return result  # type: ignore[no-any-return]


def _same_vocabulary(backend: Any) -> Any:
    """The same ``tokenizers.Tokenizer`` without truncation and padding."""
    from tokenizers import Tokenizer

    result: Any = Tokenizer(backend.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        setattr(result, part, getattr(backend, part))
    added = backend.get_added_tokens_decoder()
    result.add_tokens([added[index] for index in sorted(added)])
    if result.get_added_tokens_decoder() != added:
        raise EncodingError(
            "the tokenizer's added tokens have ids that its vocabulary does not give them; they "
            "would be lost where it is saved: save it, and use the one that is loaded from there"
        )
    return result
