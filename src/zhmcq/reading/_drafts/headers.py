"""Which column is which: the vocabulary of headers, and the row that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zhmcq.errors import ColumnsError
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._formats.table import MAX_COLUMNS
from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._labels import LABEL, alphabet_of, label_index

__all__ = ["FIELDS", "HeaderLayout", "field_of", "find_layout", "option_label"]

# Spelled as fold_name() leaves them: Simplified, lower case, without punctuation. The order is the
# order of preference where a table has several of them.
_SPELLINGS = {
    "id": (
        "id 题号 题目编号 试题编号 编号 序号 流水号 题目序号 题序 questionid qid questionno "
        "number no index idx did 项次 原题号 itemid uid"
    ),
    "passage": (
        "passage 文章 题组题干 题组题目 题组文章 阅读文章 文章内容 阅读材料 阅读文本 材料 短文 "
        "课文 篇章 段落 文本 背景 背景资料 情境 情境叙述 context article paragraph document "
        "reading text passages dtext 引文 共用题干"
    ),
    "stem": (
        "stem 题干 问题 题目 试题内容 题目内容 试题题目 试题 问题内容 题干内容 题目叙述 考题 "
        "题文 问句 question questions questiontext questionstem questiontitle problem query "
        "qtext prompt sentence description title content 内容 题"
    ),
    "options": (
        "options choices choice option candidates 选项 选项内容 备选项 备选答案 候选项 "
        "答案选项 endings"
    ),
    "answer": (
        "answer 正确答案 标准答案 答案 正解 正确选项 参考答案 解答 正答 答 标准解答 "
        "answerkey key answers correctanswer correctanswers correctoption correct rightanswer "
        "label gold goldanswer target answeridx answerindex cop ans correctindex solutionkey "
        "correctchoice"
    ),
    "kind": "题型 类型 题目类型 试题类型 questiontype qtype type kind 题类 答题类型",
    "subject": (
        "subject 科目 学科 subjectname 类别 分类 category 领域 单元 章节 章 "
        "topic 主题 课程 course 节"
    ),
    "explanation": (
        "explanation 解析 analysis 详解 答案解析 试题解析 解题 说明 rationale exp 解释 题目解析 "
        "解说 补充说明 solution"
    ),
    "source": "source 资料来源 出处 来源 题目来源 试题来源 year 年度 年份 考试 exam 年",
    "group": "group 题组 题组编号 题组代号 groupid passageid 文章编号",
}
FIELDS = {name: tuple(spellings.split()) for name, spellings in _SPELLINGS.items()}
_BY_NAME = {
    name: (field, rank) for field, names in FIELDS.items() for rank, name in enumerate(names)
}

# Looser readings, for headers such as 「單選題題目」 or "Correct Answer (1-4)".
_ENDINGS = (
    ("answer", re.compile(r"(?:答案|正解|解答|correctanswer|answerkey|correctoption)$")),
    ("passage", re.compile(r"(?:文章|短文|passage|阅读材料)$")),
    ("stem", re.compile(r"(?:题干|题目|问题|question|试题内容)$")),
    ("kind", re.compile(r"题型$")),
    ("explanation", re.compile(r"(?:解析|详解)$")),
    ("id", re.compile(r"(?:题号|编号|序号)$")),
)
_OPTION = re.compile(
    r"(?:选项|选择项|选择|备选项|备选|答案选项|候选|options?|opt|op|choices?|answers?|ans|ending|sol)?"
    rf"(?P<label>{LABEL})"
    r"(?:项|项目|选项|选择|答案)?"
)
_NOTE = re.compile(r"[(（\[【<].*?[)）\]】>]|\s[-–—]\s.*|[*＊:：]")
# Whether an option is right, in a column of its own: 「選項A是否正確」, "A correct".
_RIGHT = re.compile(r"(?P<option>.+?)(?:是否)?(?:为)?(?:正确|对错|iscorrect|correct|isright|right)")
_SEARCHED_ROWS = 40
_LONGEST_HEADER = 40


def option_label(header: str) -> str:
    """The label that an option's header names (``"B"``, ``"2"``, ``"乙"``), else ``""``.

    Letters come back upper case, digits as digits whatever their width.
    """
    match = _OPTION.fullmatch(fold_name(header)) or _OPTION.fullmatch(_without_note(header))
    return match.group("label").upper() if match else ""


def _without_note(header: str) -> str:
    """A header as the vocabulary spells it, without 「（必填）」 or " - max 75 characters"."""
    return fold_name(_NOTE.sub("", normal_text(header[:200])))


def field_of(header: str) -> tuple[str, int] | None:
    """The field that a header names, with its rank among the spellings (lower is better)."""
    if len(header) > _LONGEST_HEADER:
        return None
    name = fold_name(header)
    if name in _BY_NAME:
        return _BY_NAME[name]
    shorter = _without_note(header)
    if shorter in _BY_NAME:
        return _BY_NAME[shorter]
    for wanted, ending in _ENDINGS:
        if ending.search(shorter):
            return wanted, 100
    return None


@dataclass(slots=True)
class HeaderLayout:
    """What was recognised in a header row.

    Attributes:
        row: The header's row number; rows of data come after it.
        headers: The header cells, in order; a nameless column is called ``"column C"``.
        fields: Column indexes by field, the preferred one first (answers may be in either).
        options: Column indexes of the options, in order.
        labels: The options' names as their headers say them (``("1", "2", …)``).
        rights: Columns that say whether an option is right, by its label.
    """

    row: int
    headers: tuple[str, ...]
    fields: dict[str, list[int]] = field(default_factory=dict)
    options: list[int] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    rights: dict[str, int] = field(default_factory=dict)

    def first(self, name: str) -> int | None:
        """The preferred column of a field."""
        columns = self.fields.get(name)
        return columns[0] if columns else None

    def header(self, name: str) -> str:
        """The header of a field's preferred column, ``""`` without one."""
        column = self.first(name)
        return self.headers[column] if column is not None else ""

    def as_columns(self) -> dict[str, str]:
        """Field → header, as :attr:`zhmcq.questions.QuestionBank.columns` has it."""
        named = {name: self.headers[columns[0]] for name, columns in self.fields.items() if columns}
        named |= {f"option{i}": self.headers[c] for i, c in enumerate(self.options, 1)}
        return named

    @property
    def score(self) -> int:
        """How many fields were recognised; 0 where no column holds questions."""
        if "stem" not in self.fields:
            return 0
        options = 2 * min(len(self.options), 4) if len(self.options) > 1 else 0
        return len(self.fields) + options


def _column_name(index: int) -> str:
    from openpyxl.utils import get_column_letter  # here: a csv with named columns needs none of it

    # A json object can have more names than a sheet has columns.
    return f"column {get_column_letter(index + 1) if index < MAX_COLUMNS else index + 1}"


def _distinct_names(cells: Sequence[str]) -> tuple[str, ...]:
    headers: dict[str, None] = {}  # in order; a json object can have a million names
    for index, cell in enumerate(cells):
        name = " ".join(cell.split()) or _column_name(index)
        while name in headers:
            name = f"{name} ({_column_name(index)})"
        headers[name] = None
    return tuple(headers)


def recognise(row: int, cells: Sequence[str], *, stem_is_named: bool = False) -> HeaderLayout:
    """Read one row of cells as headers; ``stem_is_named``: the stem's column is known already."""
    layout = HeaderLayout(row, _distinct_names(cells))
    ranked: dict[str, list[tuple[int, int]]] = {}
    labelled: list[tuple[int, str]] = []
    for column, cell in enumerate(cells):
        if not cell:
            continue
        # "options" would be the option S, were the vocabulary not looked up first.
        if fold_name(cell) not in _BY_NAME and (label := option_label(cell)):
            labelled.append((column, label))
        elif label := _right_label(cell):
            layout.rights.setdefault(label, column)
        elif match := field_of(cell):
            ranked.setdefault(match[0], []).append((match[1], column))
    layout.options, layout.labels = _option_run(labelled)
    layout.fields = {name: [c for _, c in sorted(indexes)] for name, indexes in ranked.items()}
    if "id" not in layout.fields and cells and not cells[0]:
        layout.fields["id"] = [0]
    lacks_stem = "stem" not in layout.fields and not stem_is_named
    if lacks_stem and "passage" in layout.fields and layout.options:
        # A column called only 「材料」 or "text" next to options holds the stems.
        layout.fields["stem"] = [layout.fields["passage"].pop()]
        if not layout.fields["passage"]:
            del layout.fields["passage"]
    return layout


def _right_label(header: str) -> str:
    match = _RIGHT.fullmatch(fold_name(header)) if len(header) <= _LONGEST_HEADER else None
    return option_label(match.group("option")) if match else ""


def _option_run(labelled: list[tuple[int, str]]) -> tuple[list[int], tuple[str, ...]]:
    """The longest run of columns labelled A, B, C … or 1, 2, 3 … (or 0, 1, 2 …).

    Columns in another order (D, C, B, A) are taken if that makes a longer run.
    """
    best: tuple[list[int], tuple[str, ...]] = ([], ())
    labelled = labelled[:MAX_COLUMNS]
    by_label = sorted(labelled, key=lambda pair: label_index(pair[1]))
    for ordered in (labelled, by_label):
        for start, (_, label) in enumerate(ordered):
            if label_index(label) not in (0, -1):
                continue
            columns, labels, wanted = [], [], label_index(label)
            for column, name in ordered[start:]:
                if label_index(name) == wanted and alphabet_of([name]) is alphabet_of([label]):
                    columns.append(column)
                    labels.append(name)
                    wanted += 1
            if len(columns) > max(1, len(best[0])):
                best = (columns, tuple(labels))
    return best


def find_layout(
    rows: Iterable[tuple[int, Sequence[str]]], columns: Columns | None, where: str
) -> HeaderLayout:
    """The header row among a sheet's first rows, even below title rows.

    Args:
        rows: Row numbers and cells of the first rows.
        columns: The caller's own mapping of field to header; it wins over the vocabulary.
        where: How messages call the sheet.

    Raises:
        ColumnsError: If no row has a stem column; it shows what was found.
    """
    searched = list(rows)[:_SEARCHED_ROWS]
    if columns:
        return _mapped_layout(searched, columns, where)
    best: HeaderLayout | None = None
    for number, cells in searched:
        layout = recognise(number, cells)
        if layout.score > (best.score if best else 0) and _is_header(layout, cells):
            best = layout
    if best is None:
        shown = max((cells for _, cells in searched), key=lambda c: sum(map(bool, c)), default=[])
        raise ColumnsError(
            f"{where}: no column of questions was recognised. Expected a header such as 題目, "
            f"問題, 題幹 or question; found {_shown(shown)}. Name it: "
            f'columns={{"stem": "{next((c[:20] for c in shown if c), "…")}"}} '
            f"(fields: {', '.join(FIELDS)}, option1, option2, …)"
        )
    return best


def _is_header(layout: HeaderLayout, cells: Sequence[str]) -> bool:
    """Not a title, not a row of data: at least half of its cells are short names."""
    filled = [cell for cell in cells if cell]
    known = sum(map(len, layout.fields.values())) + len(layout.options)
    alone = layout.fields.keys() <= {"stem"} and not layout.options
    return known * 4 >= len(filled) and (not alone or len(filled) == 1)


def _shown(cells: Sequence[str]) -> str:
    names = [repr(cell[:30]) for cell in cells if cell][:30]
    return ", ".join(names) if names else "no text in its first rows"


def _mapped_layout(
    rows: list[tuple[int, Sequence[str]]], columns: Columns, where: str
) -> HeaderLayout:
    wanted: dict[str, list[str]] = {
        name: [header] if isinstance(header, str) else list(header)
        for name, header in columns.items()
    }
    unknown = [n for n in wanted if n not in FIELDS and not re.fullmatch(r"option\d{1,2}", n)]
    if unknown:
        raise ColumnsError(
            f"columns={dict(columns)!r}: unknown field {unknown[0]!r}; known: "
            f"{', '.join(FIELDS)}, option1, option2, …"
        )
    folded = {fold_name(header) for headers in wanted.values() for header in headers}
    best = max(rows, key=lambda row: len(folded & {fold_name(c) for c in row[1]}), default=(0, []))
    number, cells = best
    by_name = {normal_text(cell): index for index, cell in reversed(list(enumerate(cells))) if cell}
    loose = {fold_name(cell): index for cell, index in by_name.items()}

    def index_of(name: str, header: str) -> int:
        named = re.fullmatch(r"column ([A-Z]{1,2})", header)
        if named:
            from openpyxl.utils import column_index_from_string

            return column_index_from_string(named.group(1)) - 1
        index = by_name.get(normal_text(header), loose.get(fold_name(header)))
        if index is None:
            raise ColumnsError(
                f"{where}: no column {header!r} for {name!r}; found {_shown(cells)}. Correct "
                f"columns={dict(columns)!r}"
            )
        return index

    mapped = {name: [index_of(name, h) for h in headers] for name, headers in wanted.items()}
    taken = {index for indexes in mapped.values() for index in indexes}
    rest = ["" if i in taken else cell for i, cell in enumerate(cells)]
    layout = recognise(number, rest, stem_is_named="stem" in mapped)
    if layout.fields.get("id") == [0] and 0 in taken:
        del layout.fields["id"]
    layout.headers = recognise(number, cells).headers
    numbered = sorted((int(n[6:]), p[0]) for n, p in mapped.items() if n[6:].isdigit())
    if numbered or len(mapped.get("options", ())) > 1:
        layout.options = [p for _, p in numbered] or mapped.pop("options")
        names = [option_label(cells[p]) if p < len(cells) else "" for p in layout.options]
        whole = all(names) and len(set(names)) == len(names)
        layout.labels = tuple(names) if whole else ()
    layout.fields |= {name: indexes for name, indexes in mapped.items() if name in FIELDS}
    if "stem" not in layout.fields:
        raise ColumnsError(
            f"{where}: columns={dict(columns)!r} names no stem, and none was recognised among "
            f"{_shown(cells)}; add columns={{'stem': …}}"
        )
    return layout
