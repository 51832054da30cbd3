"""What names the options of one question in a reply: their labels, ordinals and texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from zhmcq.parsers._label_patterns import label_alphabet, label_patterns
from zhmcq.parsers._names import NamedOptions, OtherNames
from zhmcq.questions import Question
from zhmcq.zh._fold import fold_characters
from zhmcq.zh._labels import LETTERS
from zhmcq.zh._truth import FALSE_WORDS, TRUE_WORDS

__all__ = ["ALL_OF_THEM", "NONE_OF_THEM", "Vocabulary", "begins_word", "vocabulary"]

NONE_OF_THEM = re.compile(
    r"(?:以上|上述)?(?:选项|答案)?(?:都|皆|均|全)(?:不是|不对|不正确|非|错误?|不符合?)"
    r"|none of the above|none of these|neither of the above",
    re.IGNORECASE,
)
ALL_OF_THEM = re.compile(
    r"(?:以上|上述)(?:选项|答案)?(?:都|皆|均|全部?)(?:是|对|正确|可)|all of the above|all of these",
    re.IGNORECASE,
)

_CLOSING = re.compile(r"[\s.、:)\]\"'*_$}`>-]{0,8}")
# A letter glued to one of these is a label (B项, A为); glued to any other character it is the
# beginning of a word (B細胞, A型).
_FOLLOW_LABELS = frozenset(
    "项选是为和与或及、,正符合因而也才最的了莫吧呢哦都均两以这答即故错不对有更应比较会需能可所就则但吧嘛吗啊呀"
)
_LABEL_BEHIND = re.compile(r"\s?[(\[](\w{1,3})[)\]]")
_TITLE = ("《", "〈")
_OR = re.compile(r"或|还是|\bor\b", re.IGNORECASE)
_AND_OR = re.compile(r"\b(?:and|or)\b", re.IGNORECASE)
# The last of several labels after a comma, and words after it that describe it.
_LAST_OF_LIST = re.compile(r"\s{0,2}[,;]\s{0,2}(?:选项)?[(\[]?[^\s,;、和与或及]{1,4}\Z")
_DESCRIBED = re.compile(
    r"[)\]]?\s?(?:选?项)?(?:[是为](?!因为|正确|对|错|答案|最[合适正佳好恰])|则|太|有|较|只|不|虽|在|比)"
    r"|[)\]]?\s(?:is|was|has|are|would|could|might|may|comes|seems)\b(?!\s(?:correct|right|true|wrong|false|incorrect))"
)
# "the answer is a metal": a small letter needs an end behind it to be a label.
_AFTER_SMALL = re.compile(r"\s?(?:[)\].,、。*\"'`}$:;<]|\n|\Z)|项|选项")


class Vocabulary:
    """The labels and option texts of one question, ready to be found in a folded reply.

    Attributes:
        count: How many options there are.
        alphabet: The alphabet of the labels; ``None`` if they are words.
        forms: Everything that names an option as a label does, and the option's index.
        says_true_or_false: Whether the two options are yes and no, in whatever words.
        texts: The texts by which options can be named, by index.
        patterns: How labels are written.
        others: What else names the options: numbers, and parts of their texts.
    """

    def __init__(self, labels: Sequence[str], options: Sequence[str]) -> None:
        self.count = len(labels)
        names = [_bare(label) for label in labels]
        texts = [fold_characters(option).text.strip().rstrip("。.;,") for option in options]
        self.alphabet = label_alphabet(names)
        truth_words = _truth_words(names, texts)
        self.says_true_or_false = bool(truth_words)
        self.forms = {**truth_words, **{name: index for index, name in enumerate(names)}}
        if self.alphabet is LETTERS:
            for change in (str.lower, str.upper):
                self.forms.update({change(name): index for index, name in enumerate(names)})
        # Without a text of its own an option can be known by its label only; so can an option
        # whose text is a label (options 1, 2, 3 under labels 1, 2, 3), since the label wins.
        self.texts = {
            index: text
            for index, text in enumerate(texts)
            if text and _bare(text) not in self.forms and texts.count(text) == 1
        }
        self.longest_first = sorted(self.texts.items(), key=lambda item: -len(item[1]))
        self.squeezed = {index: squeeze(text) for index, text in self.texts.items()}
        self._summaries = [
            (index, pattern)
            for index, text in self.texts.items()
            for pattern in (NONE_OF_THEM, ALL_OF_THEM)
            if pattern.fullmatch(text)
        ]
        first_characters = {squeezed[0] for squeezed in self.squeezed.values() if squeezed}
        self._first_characters = first_characters | {char.upper() for char in first_characters}
        self.patterns = label_patterns(self.alphabet, tuple(self.forms), names[0].islower())
        self.others = OtherNames(
            self.alphabet, self.forms, self.texts, self.count, self.patterns.token.pattern
        )

    def read(self, text: str, position: int) -> NamedOptions | None:
        """Read labels or an option text at ``position``, after brackets, colons and the like.

        Args:
            text: A folded reply.
            position: Where the words end that lead to an answer.
        """
        match = self.patterns.run.match(text, position)
        by_text = self._with_label(text, self._text_after_filler(text, position))
        if not match:
            return by_text or self.others.ordinal(text, position)
        start, end = match.span("run")
        if by_text and by_text.end - by_text.start > end - start:
            return by_text
        tokens = [text[start:end]]
        if tokens[0] not in self.forms:
            if (shorter := _LAST_OF_LIST.search(tokens[0])) and _DESCRIBED.match(text, end):
                end = start + shorter.start()  # 選B，A是春天: what the others are
            tokens = self.patterns.token.findall(_AND_OR.sub("、", text[start:end]))
        small = any(len(token) == 1 and token.islower() for token in tokens)
        if small and not _AFTER_SMALL.match(text, end):
            return by_text
        indexes = [self.forms.get(token, -1) for token in tokens]
        if -1 in indexes:
            return by_text or NamedOptions((), start, end, unknown=True)
        distinct = tuple(dict.fromkeys(indexes))
        if len(distinct) == 1:
            return self._with_text(text, NamedOptions(distinct, start, end))
        return NamedOptions(distinct, start, end, open_choice=bool(_OR.search(text, start, end)))

    def read_loosely(self, text: str, position: int) -> NamedOptions | None:
        """As :meth:`read`; also a number in place of ① or 甲, and a part of one option's text.

        For places where nothing but an answer stands: after words such as 答案是.
        """
        if named := self.read(text, position):
            return named
        start = self.patterns.filler.match(text, position).end()  # type: ignore[union-attr]
        named = self.others.number(text, start)
        return named or self.others.shortened(text, start + (text[start : start + 1] in _TITLE))

    def text_at(self, text: str, position: int) -> NamedOptions | None:
        """The longest option text at ``position``, spaces and punctuation aside."""
        first = text[position : position + 1]
        if first not in self._first_characters and (first.isalnum() or not first):
            return self._all_or_none(text, position) if self._summaries else None
        best: NamedOptions | None = None
        for index, option in self.longest_first:
            length = _length_of(option, self.squeezed[index], text, position)
            if length and (best is None or length > best.end - best.start):
                best = NamedOptions((index,), position, position + length, by_text=True)
        return best or self._all_or_none(text, position)

    def _with_text(self, text: str, label: NamedOptions) -> NamedOptions | None:
        index = label.indexes[0]
        after = _CLOSING.match(text, label.end).end()  # type: ignore[union-attr]
        option = self.texts.get(index)
        if option:
            length = _length_of(option, self.squeezed[index], text, after)
            if length:
                return NamedOptions(label.indexes, label.start, after + length, with_text=True)
        follows = text[label.end : label.end + 1]
        glued = "\u3400" <= follows <= "\u9fff" and follows not in _FOLLOW_LABELS
        if glued and self.alphabet is LETTERS and self.texts:
            return None
        return label

    def _with_label(self, text: str, option: NamedOptions | None) -> NamedOptions | None:
        """夏天（B）: the label behind its option's text belongs to it."""
        match = _LABEL_BEHIND.match(text, option.end) if option else None
        if option and match and self.forms.get(match.group(1)) == option.indexes[0]:
            return option._replace(end=match.end(), with_text=True)
        return option

    def _text_after_filler(self, text: str, position: int) -> NamedOptions | None:
        """An option text after a filler; signs that look like one (``-1``) may belong to it."""
        end = self.patterns.filler.match(text, position).end()  # type: ignore[union-attr]
        start = end
        while start > position and text[start - 1] in "-<>=~$(\"'":
            start -= 1
        for option_start in range(start, end + 1):
            if named := self.text_at(text, option_start):
                return named
        return None

    def _all_or_none(self, text: str, position: int) -> NamedOptions | None:
        """以上皆非 and the like, if that is one of the options in other words."""
        for index, pattern in self._summaries:
            if match := pattern.match(text, position):
                return NamedOptions((index,), position, match.end(), by_text=True)
        return None


def vocabulary(question: Question) -> Vocabulary:
    """The vocabulary of a question, cached for the next reply to it."""
    return _vocabulary(question.labels, question.options)


@functools.lru_cache(maxsize=1024)
def _vocabulary(labels: tuple[str, ...], options: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(labels, options)


def _bare(label: str) -> str:
    name = fold_characters(label).text.strip().strip("()[].、:。 ")
    shorter = re.sub(r"^(?:选项|答案|option|choice)\s*", "", name, flags=re.IGNORECASE)
    return shorter.strip() or name or label


def _truth_words(names: Sequence[str], texts: Sequence[str]) -> dict[str, int]:
    """All words for yes and no, if that is what the two labels or options say."""
    if len(names) != 2:
        return {}
    true, false = ({word.lower() for word in words} for words in (TRUE_WORDS, FALSE_WORDS))
    for pair in (names, texts):
        first, second = (word.lower() for word in pair)
        if first in true and second in false:
            true_index = 0
        elif first in false and second in true:
            true_index = 1
        else:
            continue
        return {
            form: index
            for words, index in ((TRUE_WORDS, true_index), (FALSE_WORDS, 1 - true_index))
            for word in words
            for form in (word, word.lower(), word.upper())
        }
    return {}


# --- option texts: compared without spaces and punctuation, but not cut short ---------------

# Punctuation that tells options apart: 15.9 and 1.59, -1 and 1, B > C and B = C.
_SIGNS = frozenset(".:-+<>=/%^")
_SIGN_COUNTS = re.compile(r"(?<=\d)[.:](?=\d)|(?<![^\W_])-(?=\s?[\w\\])|[+<>=/%^]")
_SQUEEZED = re.compile(r"(?:[^\w.:+<>=/%^-]|_|(?<!\d)[.:]|[.:](?!\d)|(?<=[^\W_])-|-(?!\s?[\w\\]))+")


def squeeze(text: str) -> str:
    """The letters, digits and characters of a folded text, without case."""
    return _SQUEEZED.sub("", text).lower()


def _length_of(option: str, squeezed: str, text: str, position: int) -> int:
    """How many characters from ``position`` on spell the option; 0 if they do not."""
    if text.startswith(option, position):
        end = position + len(option)
    else:
        if not squeezed:
            return 0
        stop = min(len(text), position + 2 * len(option) + 12)
        end, matched = position, 0
        while matched < len(squeezed) and end < stop:
            char = text[end]
            if char.isalnum() or (char in _SIGNS and _SIGN_COUNTS.match(text, end)):
                if char.lower() != squeezed[matched]:
                    return 0
                matched += 1
            elif not matched and char not in "\"'$(":
                return 0
            end += 1
        if matched < len(squeezed):
            return 0
    return 0 if _cut_short(text[end - 1 : end + 2]) else end - position


def _cut_short(seam: str) -> bool:
    """Whether a word or number goes on (``2`` in ``2.5`` or ``25``, ``win`` in ``winter``)."""
    last, following = seam[:1], seam[1:]
    if not following or not (last.isascii() and last.isalnum()):
        return False
    if following[0].isascii() and following[0].isalnum():
        return True
    return last.isdigit() and following[0] in ".," and following[1:2].isdigit()


def begins_word(text: str, position: int) -> bool:
    """Whether no word or number goes on at ``position`` (``5`` in ``15``, ``2.5`` and ``-5``)."""
    before, first = text[max(0, position - 1) : position], text[position]
    if not before or not (first.isascii() and first.isalnum()):
        return True
    return not (before.isascii() and (before.isalnum() or (before in ".-" and first.isdigit())))
