"""A hash of what a tokenizer does, which saving and loading it again does not change."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhmcq._files import leads_out
from zhmcq.errors import is_failure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["chat_template_hash", "stored_template_hash", "tokenizer_hash"]

MAX_TEMPLATE = 8_000_000  # bytes of a file that may hold a chat template

# Padding is not among them: it is masked, and users set it to what they like.
ROLES = ("bos", "eos", "unk", "sep", "cls", "mask")
# Between them they touch what normalisers, pre-tokenisers, post-processors and decoders treat
# differently: spaces and line ends, widths and compositions of characters, runs of digits and
# signs, scripts, characters that no vocabulary has. None has the text of a control token.
PROBES = (
    "小明今天到圖書館去看書。\n問題：誰在家？\n1. 甲（臺北）　2. 乙「高雄」\n答案：",
    "  The quick  brown fox’s 12,345.67 km/h\t(e.g.)\r\n\r\n   if x >= 10: return None\n ",
    "ＡＢＣ１２３①㈠㍿ﬁ½ ㄅㄆㄇ Å A\u030a e\u0301 İstanbul ΣΑΣ 한국어 ไทย",
    "😀👨\u200d👩\u200d👧 𠮷野家 \ue000\ufeff\u00a0\u3000\x07<|>[]{}\\/_~ ▁Ġ##s",
    "He's sure I'LL say they don't, we've 2 of 10.",
    "A",
    " B",
)
SWEPT = 256  # characters a text, when each that Unicode 3.2 knows is encoded

# Hashes of backends by those of their texts in json: making one of a large one takes a second.
_backends: dict[bytes, bytes] = {}


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash a tokenizer's vocabulary with its ids, its special tokens, and what it does to texts.

    The chat template is not part of it, nor are padding, truncation and the length limit. The
    tokenizer is only read, so that other threads may use it meanwhile.

    Args:
        tokenizer: A tokenizer of transformers.
    """
    backend = _backend(tokenizer)
    digest = hashlib.sha256()
    digest.update(_json(_special(tokenizer)))
    if backend is None:
        digest.update(_json(tokenizer.get_vocab()))
        digest.update(_json(_slow_encodings(tokenizer)))
    else:
        digest.update(_backend_hash(backend))
    return digest.hexdigest()


def chat_template_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash a tokenizer's chat template, or templates by their names; ``""`` without one."""
    return _template_hash(tokenizer.chat_template)


def stored_template_hash(folder: Path) -> str:
    """The same hash of the chat template in a folder's files; ``""`` if none can be read there.

    Args:
        folder: A folder that holds a tokenizer, or what is left of it, as adapters have it.
    """
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if text := _text(folder / "chat_template.jinja"):
            return _template_hash(text)
        config = json.loads(_text(folder / "tokenizer_config.json") or "{}")
        template = config.get("chat_template") if isinstance(config, dict) else None
        return _template_hash(template if isinstance(template, str) else "")
    return ""


def _text(path: Path) -> str:
    """The text of a file; ``""`` if it is none, too large, or a link to elsewhere."""
    usable = not leads_out(path) and path.is_file() and path.stat().st_size <= MAX_TEMPLATE
    return path.read_text(encoding="utf-8") if usable else ""


def _template_hash(template: Any) -> str:
    if not template:
        return ""
    if isinstance(template, dict) and template.keys() == {"default"}:
        template = template["default"]
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _special(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The ids of special tokens by their roles, and every added token with its properties."""
    added = tokenizer.added_tokens_decoder
    return {
        "roles": {role: getattr(tokenizer, f"{role}_token_id", None) for role in ROLES},
        "added": [
            [
                index,
                token.content,
                token.special,
                token.lstrip,
                token.rstrip,
                token.normalized,
                token.single_word,
            ]
            for index, token in sorted(added.items())
        ],
    }


def _backend(tokenizer: PreTrainedTokenizerBase) -> Any | None:
    """The tokenizer of the library tokenizers inside, if there is one, its switches at rest."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    if backend.truncation is None and backend.padding is None and not backend.encode_special_tokens:
        return backend
    backend = copy.deepcopy(backend)  # since they are its state
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = False
    return backend


def _backend_hash(backend: Any) -> bytes:
    """Hash the model (BPE, Unigram, WordPiece, WordLevel), and what the backend does to texts.

    Options of the model that are off are left out, so that new ones of later versions change
    nothing.
    """
    text = backend.to_str()
    key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    if key not in _backends:
        values = json.loads(text)
        model: dict[str, Any] = values["model"]
        if isinstance(vocabulary := model.get("vocab"), dict):
            model["vocab"] = sorted(vocabulary.items(), key=itemgetter(1))
        digest = hashlib.sha256()
        digest.update(_json({k: v for k, v in model.items() if not (v is None or v is False)}))
        digest.update(_json(_encodings(backend)))
        digest.update(_json([_or_refusal(_ids_of(backend), text) for text in _swept()]))
        digest.update(_json(sorted(_replaced_texts(values["normalizer"]))))
        _backends[key] = digest.digest()
    return _backends[key]


def _ids_of(backend: Any) -> Callable[[str], list[Any]]:
    return lambda text: list(backend.encode(text, add_special_tokens=False).ids)


def _swept() -> Iterator[str]:
    """Texts of all characters, since a normaliser may change a single one.

    They are those of Unicode 3.2, which all versions of a library treat alike, without the
    supplementary planes.
    """
    category = unicodedata.ucd_3_2_0.category
    characters = [
        character
        for character in map(chr, range(0x20, 0x10000))
        if category(character) not in ("Cn", "Co", "Cs")
    ]
    for start in range(0, len(characters), SWEPT):
        yield " ".join(characters[start : start + SWEPT])


def _replaced_texts(normalizer: Any) -> Iterator[str]:
    """What a normaliser replaces that is more than one character, which no sweep could show."""
    if isinstance(normalizer, list):
        for part in normalizer:
            yield from _replaced_texts(part)
    elif isinstance(normalizer, dict):
        yield from _replaced_texts(normalizer.get("normalizers"))
        pattern = normalizer.get("pattern")
        for text in pattern.values() if isinstance(pattern, dict) else ():
            if len(text) > 1:
                yield f"{text}\n{normalizer.get('content')}"


def _encodings(backend: Any) -> list[Any]:
    """The ids of each probe, with and without special tokens, and the text that they decode to."""

    def encoded(probe: str) -> list[Any]:
        ids = backend.encode(probe, add_special_tokens=False).ids
        whole = backend.encode(probe, add_special_tokens=True).ids
        return [ids, whole, backend.decode(ids, skip_special_tokens=False)]

    return [_or_refusal(encoded, probe) for probe in PROBES]


def _slow_encodings(tokenizer: PreTrainedTokenizerBase) -> list[Any]:
    """The ids of each probe, with and without special tokens."""

    def encoded(probe: str) -> list[Any]:
        return [
            list(tokenizer(probe, add_special_tokens=special).input_ids)
            for special in (False, True)
        ]

    return [_or_refusal(encoded, probe) for probe in PROBES]


def _or_refusal(encode: Callable[[str], list[Any]], probe: str) -> list[Any]:
    """The encoding of a probe; empty if the tokenizer has no token for some character."""
    try:
        return encode(probe)
    except BaseException as error:  # tokenizers raises Exception itself, and panics
        if not is_failure(error):
            raise
        return []


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
