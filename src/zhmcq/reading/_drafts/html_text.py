"""Html in a text → plain text, with pictures as markdown links.

Only what is plainly a tag is taken for one: a known name, attributes in their form, and for short
names such as ``<b>`` a closing tag. So ``a<b 且 c>d`` and ``List<String>`` stay, and tags of other
names (MathML, say) stay to be seen. Python's own html parser takes any ``<word`` for a tag, and
needs time that grows with the square of hostile input; here each step goes through the text once.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from zhmcq.zh._fold import tidy
from zhmcq.zh._labels import LETTERS, label_at

__all__ = ["is_wrapped", "picture_link", "plain_text", "shortened_links"]

_WORDS_OF_BLOCKS = (
    "p div br hr h1 h2 h3 h4 h5 h6 ul ol li tr table thead tbody tfoot caption section "
    "article blockquote pre dl dt dd figure figcaption center address html body"
)
_BLOCKS = frozenset(_WORDS_OF_BLOCKS.split())
_MARKS = frozenset(("u", "b", "i", "em", "strong"))
_WORDS_OF_INLINE = (
    "span s font a sub sup small big code tt kbd samp mark ins del strike q ruby rb rt rp "
    "cite var td th col colgroup wbr nobr img audio video iframe embed source"
)
_INLINE = _MARKS | frozenset(_WORDS_OF_INLINE.split())
_MEDIA = frozenset(("img", "audio", "video", "iframe", "embed"))
_DROPPED = frozenset(("script", "style", "head"))
_NAMES = _BLOCKS | _INLINE | _DROPPED
# Names so short that 「a<b>c」 might be meant; they need a closing tag.
_SHORT = frozenset("pabiusq")
_VOID = frozenset(("br", "hr", "img", "wbr", "col", "embed", "source"))
# Possessive, and at most fifty attributes, so that no input makes it go through a text twice.
_TAG = re.compile(
    r"<(?P<closing>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+)(?P<prefixed>:[\w-]++)?+"
    r"(?P<attributes>(?:\s++[A-Za-z_:@][\w:.@-]*+"
    r"(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'<>=`]++))?+){0,50}+)\s*+/?>"
    r"|<!(?:DOCTYPE\b[^<>]{0,500}|\[(?:if|endif)[^<>]{0,200})>"
    r"|(?P<comment><!--)",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z_:@][\w:.@-]*+)"
    r"(?:\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"'<>=`]++)))?+"
)
_VALUELESS = re.compile(r"(?:\s++[\w:.@-]++\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'<>=`]++))*+\s*+")
# Word's own tags, <o:p> and the like.
_OFFICE = frozenset(("o", "w", "v", "m", "st1"))

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# In a text without tags, ``p=&sum;`` is an address in C as likely as a sign: these are not.
_PLAIN_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|lt|gt|amp|quot|apos|nbsp|ensp|emsp|thinsp|hellip|mdash|"
    r"ndash|[lr][sd]quo|middot|bull|deg|times|divide|plusmn|le|ge|ne|[lrud]arr|copy|reg);"
)
_SUPERSCRIPTS = dict(zip("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ", strict=True))
_SUBSCRIPTS = dict(
    zip("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True)
)
_BLANKS = re.compile(r"[ \t]+")
_LINE_END = re.compile(r"[ \t]*\n[ \t\n]*")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_DATA_LINK = re.compile(r"(?<=\]\()\s*+data:(?!sha256-)[^()\s]++\s*+(?=\))")


def plain_text(text: str, *, marks: bool = False) -> str:
    """A text as a browser shows it; one without tags and entities comes back as it is.

    Paragraphs, line breaks, items of lists and rows of tables become lines, cells are parted by
    `` | ``, items of numbered lists get their numbers. Raised and lowered characters become ``²``
    and ``₂`` where Unicode has them, else ``^(…)`` and ``_(…)``. Pictures become ``![alt](src)``.
    Scripts, styles and comments are dropped.

    Args:
        text: Any text.
        marks: Whether underlined, bold and slanted words keep their tags, since a question asks
            about them.
    """
    if "<" not in text:
        return _decoded(text, _PLAIN_ENTITY)
    tokens = _tokens(text)
    if len(tokens) == 1:
        return _decoded(text, _PLAIN_ENTITY)
    return _Page(tokens, marks=marks, parenthesised="<rp" in text.lower()).joined()


def is_wrapped(text: str) -> bool:
    """Whether a text as a whole stands between tags: ``<p>…</p>``."""
    text = text.strip()
    if not (text.startswith("<") and text.endswith(">")):
        return False
    match = _TAG.match(text)
    if match is None or not match.group("name") or match.group("closing"):
        return False
    name = match.group("name").lower()
    known = (name in _BLOCKS or name in _INLINE) and name not in _VOID
    return known and text[-len(name) - 3 :].lower() == f"</{name}>"


def picture_link(source: str, alt: str = "") -> str:
    """A picture as markdown; the bytes of one that the text itself holds become a hash."""
    source = tidy(source)
    if source.startswith("data:"):
        source = _hash(source)
    for char, code in (("(", "%28"), (")", "%29"), (" ", "%20"), ("\n", "")):
        source = source.replace(char, code)
    alt = " ".join(alt.replace("[", "(").replace("]", ")").split())
    return f"![{alt}]({source})"


def shortened_links(text: str) -> str:
    """A text whose markdown pictures hold a hash in place of their bytes."""
    if "](" not in text or "data:" not in text:
        return text
    return _DATA_LINK.sub(lambda match: _hash(match.group().strip()), text)


def _hash(source: str) -> str:
    return f"data:sha256-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _decoded(text: str, entity: re.Pattern[str]) -> str:
    if "&" not in text:
        return text
    decoded = entity.sub(lambda match: html.unescape(match.group()), text)
    return decoded if decoded == text else tidy(decoded.replace("\xa0", " "))


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag, or what stands for no text at all: a comment, a tag of Word's."""

    name: str = ""
    closing: bool = False
    attributes: str = ""

    def values(self) -> dict[str, str]:
        """The attributes."""
        values: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(self.attributes):
            value = match.group("double") or match.group("single") or match.group("bare") or ""
            values.setdefault(match.group("name").lower(), html.unescape(value))
        return values


def _tokens(text: str) -> list[str | _Tag]:
    """The text between tags, and the tags; one text alone where there are no tags."""
    lower = text.lower()
    if len(lower) != len(text):  # İ has two characters in lower case
        lower = text
    tokens: list[str | _Tag] = []
    position = done = 0
    closed: dict[str, bool] = {}

    def has_end(name: str) -> bool:
        if name not in closed:
            closed[name] = f"</{name}>" in lower
        return closed[name]

    while match := _TAG.search(text, position):
        position = match.end()
        tag, end = _tag_of(match), match.end()
        if match.group("comment"):
            end = lower.find("-->", position) + 3 if closed.get("-->", True) else 2
            closed["-->"] = end > 2
        elif tag.name in _SHORT and tag.name != "p":
            valued = _VALUELESS.fullmatch(tag.attributes)
            end = end if tag.closing or (valued and has_end(tag.name)) else 2
        elif tag.name in _DROPPED and not tag.closing:
            end = lower.find(f"</{tag.name}>", position) if closed.get(tag.name, True) else -1
            closed[tag.name] = end >= 0
            end = end + len(tag.name) + 3 if end >= 0 else 2
        elif tag.name and tag.name not in _NAMES:
            end = 2
        if end == 2:  # no tag after all
            continue
        tokens += [text[done : match.start()], tag]
        position = done = end
    tokens.append(text[done:])
    return tokens


def _tag_of(match: re.Match[str]) -> _Tag:
    name = (match.group("name") or "").lower()
    if match.group("prefixed"):
        return _Tag("" if name in _OFFICE else f"{name}:")
    return _Tag(name, bool(match.group("closing")), match.group("attributes") or "")


@dataclass
class _List:
    """A list that is open: whether and how its items are numbered, and how many there were."""

    style: str = ""
    count: int = 0
    first: int = -1


@dataclass
class _Page:
    """Writes tokens out as text.

    Attributes:
        tokens: Texts and tags in turn.
        marks: Whether the tags of underlined and bold words stay.
        parenthesised: Whether readings over characters bring their own brackets.
    """

    tokens: list[str | _Tag]
    marks: bool
    parenthesised: bool
    parts: list[str] = field(default_factory=list)
    _lists: list[_List] = field(default_factory=list)
    _script: str = ""
    _script_start: int = 0
    _pre: int = 0
    _cells: int = 0

    def joined(self) -> str:
        """The whole text."""
        names = {token.name for token in self.tokens if isinstance(token, _Tag)}
        blocks = bool(names & _BLOCKS)
        for token in self.tokens:
            if isinstance(token, _Tag):
                self._take(token)
            elif token:
                self.parts.append(self._piece(token, blocks=blocks))
        self._end_script()
        text = "".join(self.parts)
        if blocks:
            text = _LINE_END.sub("\n", text)
        return shortened_links(tidy(text.replace("\xa0", " ")))

    def _piece(self, text: str, *, blocks: bool) -> str:
        if "&" in text:
            text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
        if self._pre:
            return _INDENT.sub(lambda match: "\xa0" * len(match.group()), text)
        return _BLANKS.sub(" ", text) if blocks else text

    def _take(self, tag: _Tag) -> None:
        name = tag.name
        if name in ("sub", "sup"):
            self._end_script()
            if not tag.closing:
                self._script, self._script_start = name, len(self.parts)
        elif name in _BLOCKS:
            self._end_script()
            self._take_block(tag)
        elif name in ("td", "th") and not tag.closing:
            self.parts.append(" | " if self._cells else "")
            self._cells += 1
        elif name in _MEDIA and not tag.closing:
            self.parts.append(_media_link(name, tag.values()))
        elif name == "rt" and not self.parenthesised:
            self.parts.append(")" if tag.closing else "(")
        elif name in _MARKS and self.marks:
            self.parts.append(f"</{name}>" if tag.closing else f"<{name}>")

    def _take_block(self, tag: _Tag) -> None:
        name = tag.name
        self.parts.append("\n")
        if name == "pre":
            self._pre = max(0, self._pre + (-1 if tag.closing else 1))
        elif name == "tr":
            self._cells = 0
        elif name in ("ol", "ul"):
            if not tag.closing:
                style = tag.values().get("type", "1") if name == "ol" else ""
                self._lists.append(_List(style))
            elif self._lists:
                self._lists.pop()
        elif name == "li" and not tag.closing and self._lists:
            self._number(self._lists[-1])

    def _number(self, items: _List) -> None:
        """Number an item of a list; an only item gets no number."""
        items.count += 1
        self.parts.append("")
        if items.count == 1:
            items.first = len(self.parts) - 1
            return
        if not items.style:
            return
        if items.count == 2:
            self.parts[items.first] = _item_label(0, items.style)
        self.parts[-1] = _item_label(items.count - 1, items.style)

    def _end_script(self) -> None:
        """Raise or lower what was written since ``<sup>`` or ``<sub>``."""
        if not self._script:
            return
        table = _SUPERSCRIPTS if self._script == "sup" else _SUBSCRIPTS
        sign = "^" if self._script == "sup" else "_"
        text = "".join(self.parts[self._script_start :]).strip()
        self._script = ""
        del self.parts[self._script_start :]
        if all(char in table for char in text):
            self.parts.append("".join(table[char] for char in text))
        else:
            self.parts.append(f"{sign}{text}" if len(text) == 1 else f"{sign}({text})")


def _item_label(index: int, style: str) -> str:
    letter = label_at(index, LETTERS)
    if letter and style in ("A", "a"):
        return f"{letter if style == 'A' else letter.lower()}. "
    return f"{index + 1}. "


def _media_link(name: str, values: Mapping[str, str]) -> str:
    source = values.get("src") or values.get("data-src") or values.get("srcset") or ""
    alt = values.get("alt", "") if name == "img" else values.get("title", "") or name
    return picture_link(source, alt)
