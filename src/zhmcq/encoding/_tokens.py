"""Text → token ids, where nothing in a question's text becomes a control token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zhmcq.encoding._tokenizer_copy import tokenizer_copy
from zhmcq.errors import EncodingError
from zhmcq.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TokenCodec"]


class TokenCodec:
    """How one tokenizer writes prompts, answers and their end.

    Threads may share it, and the tokenizer: it encodes with copies of its own, made once.

    Args:
        tokenizer: A tokenizer of transformers. What is changed in it later has no effect here.

    Attributes:
        tokenizer: The tokenizer that was given.
        prefix: The ids that the tokenizer itself writes before a text (BOS, or nothing).
        end: The id that ends an answer to a plain-text prompt (EOS).

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
        self._unmarked = _control_tokens_not_marked_special(tokenizer)
        self.prefix = self._written_before_text()
        self._newline = self.text("\n")
        self._turn_end: int | None = None

    @property
    def ends(self) -> set[int]:
        """The ids that may end an answer: EOS, and the end of a turn once it was needed."""
        return {self.end} if self._turn_end is None else {self.end, self._turn_end}

    def prompt(self, prompt: str | tuple[Message, ...]) -> list[int]:
        """Ids of a prompt, up to where the answer begins.

        Raises:
            EncodingError: If messages are given and the tokenizer has no chat template, or the
                template refuses them.
        """
        if isinstance(prompt, str):
            return [*self.prefix, *self.text(prompt)]
        return self._chat(prompt, add_generation_prompt=True)

    def answer(self, text: str, prompt: str | tuple[Message, ...]) -> list[int]:
        """Ids of an answer and its end, as they follow the ids of ``prompt``.

        An answer is encoded apart from its prompt, since a model that generates it has seen the
        prompt's ids already: a token across the seam is one that it could never write.
        """
        end = self.end if isinstance(prompt, str) else self._end_of_turn()
        return [*self._continuation(text), end]

    def _written_before_text(self) -> list[int]:
        bare, whole = self.text("字"), list(self._for_templates("字").input_ids)
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
        return [*self._plain(first), *(i for piece in others for i in self._after_newline(piece))]

    def _pieces(self, text: str) -> list[str]:
        """The text, cut in the middle of each control token that the tokenizer would not split."""
        if self._unmarked is None:
            return [text]
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
        encoded = self._for_text(text, add_special_tokens=False, split_special_tokens=True)
        return list(encoded.input_ids)

    def _continuation(self, text: str) -> list[int]:
        return [i for piece in self._pieces(text) for i in self._after_newline(piece)]

    def _after_newline(self, text: str) -> list[int]:
        # SentencePiece writes a space before the first word of a text; after a newline it does
        # not, and an answer never is the first word.
        ids = self._plain("\n" + text)
        head = len(self._newline)
        return ids[head:] if ids[:head] == self._newline else self._plain(text)

    def _chat(self, messages: tuple[Message, ...], *, add_generation_prompt: bool) -> list[int]:
        if not self._for_templates.chat_template:
            raise EncodingError(
                "expected a tokenizer with a chat template for this prompt, found none; a base "
                "model answers better with a plain-text prompt such as 'zh-exam' or 'zh-cloze'"
            )
        chat = [{"role": m.role, "content": m.content} for m in messages]
        try:
            encoded = self._apply(chat, add_generation_prompt)
        except Exception as error:
            # Some templates (Gemma's, Mistral's) know no system role: the instruction then
            # stands before the user's text.
            if chat[0]["role"] != "system" or len(chat) < 2:
                raise EncodingError(f"the chat template refuses the prompt: {error}") from error
            joined = f"{chat[0]['content']}\n\n{chat[1]['content']}"
            chat = [{"role": chat[1]["role"], "content": joined}, *chat[2:]]
            try:
                encoded = self._apply(chat, add_generation_prompt)
            except Exception as second:
                raise EncodingError(f"the chat template refuses the prompt: {second}") from second
        return encoded

    def _apply(self, chat: list[dict[str, str]], add_generation_prompt: bool) -> list[int]:
        encoded: Any = self._for_templates.apply_chat_template(
            chat,
            add_generation_prompt=add_generation_prompt,
            tokenize=True,
            return_dict=True,
            sanitize_control_tokens=True,
        )
        return list(encoded["input_ids"])

    def _end_of_turn(self) -> int:
        """The id that the chat template writes after an answer (``<|eot_id|>``, ``<|im_end|>``)."""
        if self._turn_end is None:
            turn = (Message("user", "字"),)
            before = self._chat(turn, add_generation_prompt=True)
            chat = self._chat((*turn, Message("assistant", "字")), add_generation_prompt=False)
            reply = self._continuation("字")
            start = len(before)
            as_expected = chat[:start] == before and chat[start : start + len(reply)] == reply
            rest = chat[start + len(reply) :] if as_expected else []
            special = set(self._for_templates.all_special_ids)
            self._turn_end = rest[0] if rest and rest[0] in special else self.end
        return self._turn_end


def _control_tokens_not_marked_special(
    tokenizer: PreTrainedTokenizerBase,
) -> re.Pattern[str] | None:
    """What matches the control tokens that ``split_special_tokens`` does not split.

    Some tokenizers (Qwen's) have ``<think>`` or ``<|fim_prefix|>`` among their added tokens without
    calling them special. Added tokens that are neither in the chat template nor of the form
    ``<|…|>`` are words like others (runs of newlines, html tags).
    """
    template = str(tokenizer.chat_template or "")
    names = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if not token.special
        and len(token.content) > 1
        and not token.content.isspace()
        and (token.content in template or re.fullmatch(r"<[|｜].+[|｜]>", token.content))
    ]
    if not names:
        return None
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
