"""Text → token ids, where nothing in a question's text becomes a control token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from zhmcq.encoding._tokenizer_copy import tokenizer_copy
from zhmcq.errors import EncodingError, is_failure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TokenCodec"]

SURROGATE = re.compile("[\ud800-\udfff]")


class TokenCodec:
    """How one tokenizer writes texts, and what a text of one's own may not become.

    Threads may share it, and the tokenizer: it encodes with copies of its own, made once.

    Args:
        tokenizer: A tokenizer of transformers. What is changed in it later has no effect here.

    Attributes:
        tokenizer: The tokenizer that was given.
        prefix: The ids that the tokenizer itself writes before a text (BOS, or nothing).
        end: The id that ends an answer to a plain-text prompt (EOS).
        control_tokens: Matches the texts of the tokenizer's control tokens.

    Raises:
        EncodingError: If the tokenizer has no EOS token: no answer could ever end. If its ids are
            not those that it would have when it is saved.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if tokenizer.eos_token_id is None:
            raise EncodingError(
                "expected a tokenizer with an EOS token, found none; without it an answer has no "
                "end: set tokenizer.eos_token"
            )
        self.end = int(tokenizer.eos_token_id)
        # A stem that says "<|eot_id|>" is text and stays text; what a chat template writes is not.
        self._for_text = tokenizer_copy(tokenizer, split_special_tokens=True)
        self._for_templates = tokenizer_copy(tokenizer, split_special_tokens=False)
        unmarked = _not_marked_special(tokenizer)
        special = (t.content for t in tokenizer.added_tokens_decoder.values() if t.special)
        self._unmarked = _any_of(unmarked)
        self.control_tokens = _any_of([*unmarked, *special, *tokenizer.all_special_tokens])
        self.prefix = self._written_before_text()
        self._newline = self.text("\n")

    def prompt(self, text: str) -> list[int]:
        """Ids of a plain-text prompt, with what the tokenizer writes before a text."""
        return [*self.prefix, *self.text(text)]

    def continuation(self, text: str) -> list[int]:
        """Ids of a text that continues another one, control tokens in it taken as text.

        It is encoded apart from what it continues, since a model that generates it has seen those
        ids already: a token across the seam is one that it could never write.
        """
        return [i for piece in self._pieces(text) for i in self._after_newline(piece, self._plain)]

    def written(self, text: str) -> list[int]:
        """Ids of a text in which control tokens are control tokens, with nothing around it."""
        return _ids(self._for_templates, text, split_special_tokens=False)

    def written_on(self, text: str) -> list[int]:
        """Like :meth:`written`, for a text that continues another one."""
        return self._after_newline(text, self.written)

    def _written_before_text(self) -> list[int]:
        bare = self.text("字")
        whole = _ids(self._for_templates, "字", add_special_tokens=True, split_special_tokens=False)
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start]
        raise EncodingError(
            f"the tokenizer changes the ids of a text when it adds special tokens: expected "
            f"{bare} within {whole}; it cannot be used for prompts"
        )

    def text(self, text: str) -> list[int]:
        """Ids of a text, control tokens in it taken as text, with nothing written around it."""
        first, *others = self._pieces(text)
        after = (self._after_newline(piece, self._plain) for piece in others)
        return [*self._plain(first), *(i for ids in after for i in ids)]

    def _pieces(self, text: str) -> list[str]:
        """The text, cut in the middle of each control token that the tokenizer would not split."""
        pieces, rest = [], [text]
        while rest:
            piece = rest.pop()
            cuts = [(m.start() + m.end()) // 2 for m in self._unmarked.finditer(piece)]
            if not cuts:
                pieces.append(piece)
                continue
            # Looked at again: one token may be a part of another.
            bounds = zip([0, *cuts], [*cuts, len(piece)], strict=True)
            rest += reversed([piece[start:end] for start, end in bounds])
        return pieces

    def _plain(self, text: str) -> list[int]:
        return _ids(self._for_text, text, split_special_tokens=True)

    def _after_newline(self, text: str, encode: Callable[[str], list[int]]) -> list[int]:
        # SentencePiece writes a space before the first word of a text; after a newline it does
        # not, and what continues a text never is the first word.
        ids = encode("\n" + text)
        head = len(self._newline)
        return ids[head:] if ids[:head] == self._newline else encode(text)


def _ids(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    add_special_tokens: bool = False,
    split_special_tokens: bool,
) -> list[int]:
    """Ids of a text.

    Raises:
        EncodingError: If the tokenizer refuses the text: half of a surrogate pair, a character that
            it has no token for, not even one for unknown characters, or a pattern that takes too
            long.
    """
    try:
        encoded = tokenizer(
            text,
            add_special_tokens=add_special_tokens,
            split_special_tokens=split_special_tokens,
        )
    except BaseException as error:  # tokenizers raises Exception itself, and panics
        if not is_failure(error):
            raise
        lone = SURROGATE.search(text)
        reason = f"{type(error).__name__}: {error}"
        if lone is not None:
            reason = f"it has half of a surrogate pair ({lone.group()!r}), which is no character"
        raise EncodingError(f"the tokenizer refuses the text {text[:20]!r}…: {reason}") from error
    return list(encoded.input_ids)


def _not_marked_special(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The control tokens that ``split_special_tokens`` does not split.

    Some tokenizers (Qwen's) have ``<think>`` or ``<|fim_prefix|>`` among their added tokens without
    calling them special. Added tokens that are neither in the chat template nor of the form
    ``<|…|>`` are words like others (runs of newlines, html tags).
    """
    template = str(tokenizer.chat_template or "")
    return [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if not token.special
        and len(token.content) > 1
        and not token.content.isspace()
        and (token.content in template or re.fullmatch(r"<[|｜].+[|｜]>", token.content))
    ]


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """What matches the longest of these texts; nothing without any."""
    longest_first = sorted(filter(None, set(names)), key=lambda name: (-len(name), name))
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
