"""Shuffling the options of a question, and the reasons for which they must keep their order.

What is recognised here leans to one side: a question left alone by mistake is still learned from
as it is, while one shuffled by mistake teaches a wrong answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from zhmcq.questions import Question
from zhmcq.zh._fold import half_width
from zhmcq.zh._labels import (
    ALPHABETS,
    LETTERS,
    NAMES_IN_TEXT,
    NUMERALS_IN_TEXT,
    ROMAN_NUMERALS,
)

__all__ = ["fixed_order_reason", "reordered", "shuffle_options"]

_LETTERS = LETTERS.characters
_NUMERALS = NUMERALS_IN_TEXT
# Signs that are no words; words too; and Roman numerals, which need a word next to them.
_SIGNS = "".join(a.characters[: a.mentioned] for a in ALPHABETS if not a.are_words)
_NAMES = NAMES_IN_TEXT
_ALL_NAMES = NAMES_IN_TEXT + ROMAN_NUMERALS.characters
# 「同庚」 is of one age: of names that are words only the first few stand for an option there.
_FIRST_NAMES = _SIGNS + "".join(
    alphabet.characters[: min(4, alphabet.mentioned)]
    for alphabet in ALPHABETS
    if alphabet.are_words
)

# 以上皆是, none of the above, and what else speaks of all options or of those before.
_ALL_OR_NONE = re.compile(
    rf"""(?ix)
    ^(?:以上|上述|上列|前述|前列(?!腺)|以下|下列|下述|同上)
    | ^[上前]面[^，。]{{0,6}}(?:皆|均|都|全)(?:是|非|不|對|对|錯|错|可|正確|正确)
    | ^[與与跟和]\s*[(]?[A-Z{_FIRST_NAMES}][)]?\s*(?:相同|一樣|一样)
    | ^同\s*[(]?[A-Z{_FIRST_NAMES}][)]?$
    | (?:以上|上述|上列|前述|以下|下列).{{0,6}}
      (?:選項|选项|答案|皆|均|都|全|[兩两二三四][者項项個个])
    | (?:其他|其它|其餘|其余|另外)(?:選項|选项|答案|皆|均|[兩两二三四][者項项個个])
    | ^(?:答案|選項|选项|全部|所有|各項|各项|[兩两二三四]者|全|通通|統統|统统)*
      (?:皆|均|都|俱|全部|全)(?:有|無|无|沒有|没有|不)?
      (?:是|非|對|对|錯|错|可|可以|可能|有可能|會|会|選|选|正確|正确|錯誤|错误|成立|[為为]真|[為为]假)?
      [。.]?$
    | ^[兩两二三四]者(?:皆|均|都|俱|全)
    | ^[無无]一(?:是|對|对|正確|正确|符合|成立)
    | ^[與与跟和同](?:前|上|下|後|后)[一兩两二三][個个項项](?:相同|一樣|一样)
    | ^(?:沒有|没有|無|无)(?:一個|一个|一項|一项|任何)?
      (?:正確|正确|對|对|適當|适当|合適|合适)?的?(?:選項|选项|答案)
    | ^[前後后][兩两二三四][者項项個个]
    | ^第[一二三四五六七八1-8][者項项個个]
      (?:(?:和|與|与|及|跟|或|、)第[一二三四五六七八1-8][者項项個个])?$
    | ^[1-8][號号](?:和|與|与|及|跟|或|、)[1-8][號号]$
    | ^(?:只有|僅有|仅有|只|僅|仅)(?:選|选)?[1-4]$
    | \b(?:all|none|both|neither|either|any|each|some|most|two|three)\s+of\s+(?:the\s+)?
      (?:above|below|these|those|them|options|choices|answers|alternatives|following|previous)\b
    | \b(?:all|none)\s+(?:above|(?:is|are)\s+\w+)[.]?$
    | ^(?:all|none|both|neither)[.]?$
    | ^no\s+correct\s+(?:answer|option|choice)
    """
)
# What a stem, a passage or an option says of the options by their names or places.
_NAMED = re.compile(
    rf"""(?x)
    (?:選項|选项)\s*[为為是]?\s*[(\[〔【「『"']?\s*
      (?:[A-Za-z](?![A-Za-z0-9])|[{_ALL_NAMES}]
       |[1-9](?!\d)|[二三四五六七八]|一(?![定般個个樣样起些種种]))
    | (?:答案|選擇|选择)\s*[为為是]?\s*[(\[〔【「『"']?\s*(?:[A-Z](?![A-Za-z0-9])|[{_SIGNS}])
    | (?:[A-Z]|[{_NAMES}])\s*[)\]〕】」』]?\s*(?:選項|选项)
    | (?:不|能|可|應|应|該|该|若|要|誤|误|別|别|而)(?:選|选)\s*[(\[【「『"']?\s*
      (?:[A-Z](?![A-Za-z0-9])|[{_SIGNS}]|[1-8](?![0-9一-鿿]))
    | (?:選|选)\s*[(]\s*(?:[A-Z{_SIGNS}]|[1-8])\s*[)]
    | 答案.{{0,4}}(?:是|為|为)\s*[(]?(?:[A-Z](?![A-Za-z0-9])|[1-8](?![0-9一-鿿]))[)]?\s*[?？]
    | 第\s*[一二三四五六七八1-8]\s*[個个項项條条]?\s*(?:選項|选项|答案)
    | (?:最後|最后|最末|首|前|後|后)\s*[一二兩两三四]?\s*[個个項项]?\s*(?:選項|选项)
    | [上下]一[個个項项]?(?:選項|选项)
    | (?i:\b(?:options?|choices?|answers?|alternatives?))\s*[("']?\s*(?:[A-Z]|[1-8])\b
    | (?i:\b(?:option|choice|alternative)\s+(?:one|two|three|four|five)\b)
    | (?i:\b(?:first|second|third|fourth|fifth|last|final|previous|preceding|next)\s+
      (?:option|choice|answer|alternative)s?\b)
    """
)
# What may stand around the names in an option such as 「只有A和C正確」.
_WORDS = re.compile(
    r"""(?ix)
    選項|选项|答案|以及|還有|还有|同時|同时|和|與|与|及|跟|或|以外|之外|除了|除|外
    |選|选|只有|僅有|仅有|僅|仅|只|皆|均|都|俱|全|是|非|為|为|對|对|錯|错|可以|可|正確|正确|成立|不
    |[兩两二三四][者項项個个]
    |\b(?:both|either|neither|only|and|or|nor|not|are|is|correct|true|right|wrong|but|except
         |options?|choices?|answers?|the)\b
    """
)
_MARKS = re.compile(r"[\s()\[\]{}〔〕【】「」『』《》、,，;&+/.。:\-]")
# 「1和3」 and 「(1)(3)」 are two options; 「13」, 「1/3」 and 「1.3」 are numbers.
_TWO_NUMERALS = re.compile(
    rf"(?i)[{_NUMERALS}]\)?\s*(?:和|與|与|及|跟|或|以及|、|&|and|or)\s*\(?[{_NUMERALS}]"
    rf"|\([{_NUMERALS}]\)\s*\([{_NUMERALS}]\)"
)
_ROMAN = re.compile(r"\b(?:III|II|IV|VI|I|V)\b")


def shuffle_options(question: Question, seed: int | str) -> Question:
    """The question with its options in another order, and its key moved along.

    The labels keep their positions. The order depends on the seed and the question's id alone;
    by chance it may be the one that was there. A question whose order matters is given back as it
    is: see :func:`fixed_order_reason`. Key and explanation change as in :func:`reordered`.

    Args:
        question: The question, with or without a key.
        seed: Another seed gives another order.
    """
    if fixed_order_reason(question) is not None:
        return question
    order = list(range(len(question.options)))
    random.Random(f"{seed}-{question.id}").shuffle(order)
    return reordered(question, order)


def reordered(question: Question, order: Sequence[int]) -> Question:
    """The question with its options in this order, its key moved along, its labels in place.

    An explanation that names labels is left out, since it would name the wrong ones.

    Args:
        question: The question, with or without a key.
        order: For each place the 0-based index of the option to be shown there.
    """
    answer = question.answer
    if answer is not None:
        answer = tuple(sorted(order.index(index) for index in answer))
    explanation = question.explanation
    stale = any(label in explanation for label in question.labels)
    stale |= _names_options(explanation, question)
    return replace(
        question,
        options=tuple(question.options[index] for index in order),
        answer=answer,
        explanation="" if stale else explanation,
    )


def fixed_order_reason(question: Question) -> str | None:
    """Why the options of a question have to stay in their order; ``None`` if they need not.

    They stay in a true/false question; where an option speaks of others (以上皆非, A和C, ①③,
    none of the above, 前兩項) or options begin with their labels; and where the stem or the passage
    speaks of options by name or order (選項2, （B）, 第一個選項, option C).

    Args:
        question: Its stem, passage, options, labels and kind are looked at.
    """
    if question.kind == "true_false":
        return "true or false"
    options = [_folded(option) for option in question.options]
    labels = [_folded(label) for label in question.labels]
    labelled = [
        re.match(rf"\(?{re.escape(label)}[).、:。]", option) is not None
        for label, option in zip(labels, options, strict=True)
    ]
    # One option that begins with its own number may be a number: 1.5.
    if all(labelled) or (any(labelled) and not set("".join(labels)) <= set(_NUMERALS)):
        return "options begin with their labels"
    for option in options:
        if _ALL_OR_NONE.search(option) or _NAMED.search(option) or _is_of_names(option, labels):
            return f"an option speaks of others: {option[:20]!r}"
    for name, text in (("stem", question.stem), ("passage", question.passage)):
        if _names_options(text, question):
            return f"its {name} names options"
    return None


def _folded(text: str) -> str:
    """Half width, and one space where there were many: the patterns are slow in long runs."""
    return " ".join(half_width(text).split())


def _names_options(text: str, question: Question) -> bool:
    """Whether a text speaks of the options by name or order."""
    folded = _folded(text)
    labels = [label for label in question.labels if label in _LETTERS or label in _ALL_NAMES]
    marked = any(f"({label})" in folded for label in labels)
    return marked or _NAMED.search(folded) is not None


def _is_of_names(option: str, labels: list[str]) -> bool:
    """Whether an option's whole text is names of options: A和B, ①③, 僅甲正確, 1、3."""
    text = _ROMAN.sub("Ⅰ", option)
    bare = _MARKS.sub("", text)
    rest = _WORDS.sub("", _MARKS.sub(" ", text)).replace(" ", "")
    if not rest:
        return False
    if set(rest) <= set(_NUMERALS):
        return _TWO_NUMERALS.search(text) is not None and not re.search(r"[/.]", text)
    count = len(labels)
    names = set(_LETTERS[:count] + _LETTERS[:count].lower() + _ALL_NAMES)
    if not set(rest) <= names | (set(labels) - set(_NUMERALS)):
        return False
    if len(rest) == 1:  # 「A」 may be the name of anything; 「僅A」 is not, nor is a label itself
        return rest != bare or rest in labels
    return rest != bare or rest.isupper() or set(rest) <= set(_ALL_NAMES)
