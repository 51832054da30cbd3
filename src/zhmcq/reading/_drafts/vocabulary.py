"""The vocabulary of headers and of the names in records: which word means which field."""

from __future__ import annotations

import re

from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._labels import LABEL

__all__ = [
    "FIELDS",
    "field_of",
    "is_given_answer",
    "is_spelled",
    "names_index",
    "option_label",
    "right_label",
    "wrong_label",
]

# Spelled as fold_name() leaves them: Simplified, lower case, without punctuation. The order is the
# order of preference where a table has several of them.
_SPELLINGS = {
    "id": (
        "id 题号 题目编号 试题编号 编号 序号 流水号 题目序号 题序 questionid qid questionno "
        "number no index idx did 项次 原题号 itemid uid questionnumber questionnum srno sno"
    ),
    "passage": (
        "passage 文章 题组题干 题组题目 题组文章 阅读文章 文章内容 阅读材料 阅读文本 材料 短文 "
        "课文 篇章 段落 文本 背景 背景资料 情境 情境叙述 context article paragraph document "
        "reading text passages dtext 引文 共用题干 共同题干 sharedstem sharedpassage sharedtext "
        "stimulus material materials"
    ),
    "stem": (
        "stem 题干 问题 题目 试题内容 题目内容 试题题目 试题 问题内容 题干内容 题目叙述 考题 "
        "题文 问句 question questions questiontext questionstem questiontitle problem query "
        "qtext prompt sentence description title content 内容 题 timu tigan"
    ),
    "options": (
        "options choices choice option candidates 选项 选项内容 备选项 备选答案 候选项 "
        "答案选项 xuanxiang endings alternatives answeroptions answerchoices optionlist choicelist "
        "possibleanswers sharedoptions 共用备选答案 共用选项 选项列表"
    ),
    "answer": (
        # A key that was corrected after the examination replaces the first one. What is called
        # correct comes next: beside it, an "answer" may be a student's.
        "最终答案 finalanswer 更正答案 更正后答案 修正答案 修正后答案 correctedanswer "
        "更正 答案更正 答案修正 "
        "正确答案 correctanswer correctanswers 标准答案 correctoption rightanswer correctchoice "
        "answer 答案 正解 正确选项 参考答案 解答 正答 答 标准解答 "
        "answerkey key answers correct label gold goldanswer target answeridx answerindex cop ans "
        "correctindex solutionkey daan 原答案 原始答案 公布答案 初版 初版答案 答案初版"
    ),
    "kind": "题型 类型 题目类型 试题类型 questiontype qtype type kind 题类 答题类型 tixing",
    "subject": (
        "subject 科目 学科 subjectname 类别 分类 category 领域 单元 章节 章 "
        "topic 主题 课程 course 节"
    ),
    "explanation": (
        "explanation 解析 analysis 详解 答案解析 试题解析 解题 说明 rationale exp 解释 题目解析 "
        "解说 补充说明 答案说明 solution jiexi"
    ),
    "source": "source 资料来源 出处 来源 题目来源 试题来源 year 年度 年份 考试 exam 年",
    "group": "group 题组 题组编号 题组代号 groupid passageid 文章编号",
    "picture": (
        "picture pictures image images img imgurl imgsrc imageurl imagesrc imagepath imagefile "
        "pictureurl media figure figures photo photourl 图片 图档 附图 图 图片网址 图片链接 插图"
    ),
}
FIELDS = {name: tuple(spellings.split()) for name, spellings in _SPELLINGS.items()}
_BY_NAME = {
    name: (field, rank) for field, names in FIELDS.items() for rank, name in enumerate(names)
}

# Looser readings, for headers such as 「單選題題目」 or "Correct Answer (1-4)".
_ENDINGS = (
    (
        "answer",
        re.compile(
            r"(?:答案|正解|解答|correctanswer|answerkey|(?:correct|right)(?:answer|option|choice)"
            r"(?:num|number|no|id|idx|index|key|letter|label|text)?)$"
        ),
    ),
    (
        "answer",
        re.compile(
            r"^(?:correct|right|gold|answers?|solution|key)(?:answers?|options?|choices?)?"
            r"(?:index|indexes|indices|idxs?|ids?)$|^(?:正确|答案)(?:答案|选项)?(?:索引|下标)$"
        ),
    ),
    ("passage", re.compile(r"(?:文章|短文|passage|阅读材料)$")),
    ("stem", re.compile(r"(?:题干|题目|问题|question|试题内容)$")),
    ("kind", re.compile(r"题型$")),
    ("explanation", re.compile(r"(?:解析|详解)$")),
    ("id", re.compile(r"(?:题号|编号|序号)$")),
    (
        "picture",
        re.compile(
            r"^(?:题目|题干|试题|题|question|stem)的?(?:图片?|图档|附图|image|img|picture|figure|photo)"
            r"(?:url|src|path|link|file|s|网址|链接|档名)?$"
        ),
    ),
)
_OPTION = re.compile(
    r"(?:选项|选择项|选择|xuanxiang|备选项|备选|答案选项|候选|options?|opt|op|(?:mc)?(?:choices?|answers?)|ans|"
    r"ending|sol)?"
    rf"(?P<label>{LABEL})"
    r"(?:项|项目|选项|选择|答案)?(?:内容|文字)?"
)
_NOTE = re.compile(r"[(（\[【<].*?[)）\]】>]|\s[-–—]\s.*|[*＊:：]")
# Whether an option is right, in a column of its own: 「選項A是否正確」, "A correct".
_RIGHT = re.compile(r"(?P<option>.+?)(?:是否)?(?:为)?(?:正确|对错|iscorrect|correct|isright|right)")
# One wrong answer, in a column of its own beside the right answer's.
_WRONG = re.compile(
    r"(?:(?:wrong|incorrect|false|错误|不正确|非正确)(?:的)?(?:answers?|options?|choices?|答案|选项)|"
    rf"(?:wrong|incorrect|错误)(?={LABEL}$)|distract[oe]rs?|干扰(?:选?项|答案)|诱答(?:选?项)?)"
    rf"(?P<label>{LABEL})?"
)
# What somebody answered, or what it earned. None of it is the key, whatever it ends with.
_GIVEN = re.compile(
    r"(?:学生|考生|学员|受测者?|受试者?|应试者?|作答者?|答题者?|填答者?|用户|使用者|"
    r"我|你|您|(?<!其)他|她|个人)的?"
    r"(?:答案|正解|解答|答|选择|选项|回答|作答|填答|所选)|"
    r"(?:作答|填答|所选|已选|选择的|选取的|提交的?|送出的|模型|预测)(?:答案|选项|结果|内容)?$|"
    r"(?:your|my|their|his|her|students?|users?|candidates?|examinees?|learners?|participants?|"
    r"respondents?|pupils?|given|selected|chosen|submitted|predicted|predict(?:ion)?)s?"
    r"(?:answer|option|choice|response|key|label|selection)|"
    r"^(?:response|responses|prediction|predicted|selection|selected)$|"
    r"^(?:答案|answers?)(?:of|by|from)?(?:the)?(?:学生|考生|用户|我|你|students?|users?|candidates?|mine)"
)
_SCORE = re.compile(r"得分|分数|配分|分值|评分|score|points?$|marks?$|率$|人数|次数|用时|时间")
# A sentence that ends as a header does: 「這是什麼問題」.
_ASKS = re.compile(r"什么|何|哪|谁|怎|吗|几|是否|下列|以下|关于|有关|what|which|who|how")
# questionContent, questionOptions, 試題選項.
_PREFIX = re.compile(r"^(?:question|题目|试题)(?!title$)")
# A key that counts from 0, as lists in programs do, and one that names an option by its id.
_INDEX = re.compile(r"(?:index|indexes|indices|idxs?|索引|下标)$")
_LONGEST_HEADER = 40
# Where a name in another language begins: 「題目/Question」, 「正確答案 Answer」.
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_TWO_NAMES = re.compile(
    r"[/／|｜\n]|(?<=[\u4e00-\u9fff])\s+(?=[A-Za-z])|(?<=[A-Za-z.])\s+(?=[\u4e00-\u9fff])|"
    r"(?<=[A-Za-z1-9])\s+(?=[Oo]ption|[Cc]hoice)"
)
_LOOSE = 100  # the rank of a name that only ends as a spelling does


def option_label(header: str) -> str:
    """The label that an option's header names (``"B"``, ``"2"``, ``"乙"``), else ``""``.

    Letters come back upper case, digits as digits whatever their width.
    """
    match = _OPTION.fullmatch(fold_name(header)) or _OPTION.fullmatch(_without_note(header))
    if match:
        return match.group("label").upper()
    parts = _languages(header)
    labels = {option_label(part) for part in parts} if max(map(len, parts), default=0) > 2 else ()
    return labels.pop() if len(labels) == 1 else ""


def _languages(header: str) -> list[str]:
    """The names of a header in two languages (「題目/Question」); none of one in one language."""
    if len(header) > _LONGEST_HEADER or not _CHINESE.search(header) or header.isalpha():
        return []
    parts = [part for part in _TWO_NAMES.split(_NOTE.sub("", header)) if part.strip()]
    return parts if len(parts) == 2 else []


def _without_note(header: str) -> str:
    """A header as the vocabulary spells it, without 「（必填）」 or " - max 75 characters"."""
    return fold_name(_NOTE.sub("", normal_text(header[:200])))


def is_spelled(header: str) -> bool:
    """Whether a header is one of the spellings exactly, so that it is no option's label."""
    return fold_name(header) in _BY_NAME


def field_of(header: str) -> tuple[str, int] | None:
    """The field that a header names, with its rank among the spellings (lower is better)."""
    if len(header) > _LONGEST_HEADER:
        return _BY_NAME.get(_without_note(header))  # 「題目（請填完整，最多 120 字 …）」
    name = fold_name(header)
    if name in _BY_NAME and not (name == "correct" and header.rstrip()[-1] in "?？"):
        return _BY_NAME[name]
    if is_given_answer(header) or wrong_label(header) is not None:
        return None
    shorter = _without_note(header)
    if shorter in _BY_NAME and name != "correct":
        return _BY_NAME[shorter]
    if (rest := _PREFIX.sub("", name)) != name and rest in _BY_NAME:
        return _BY_NAME[rest][0], 100
    for wanted, ending in _ENDINGS:
        if ending.search(shorter) and not _ASKS.search(shorter):
            return None if wanted == "answer" and _SCORE.search(name) else (wanted, _LOOSE)
    named = [field_of(part) for part in _languages(header)]
    fields = {match[0] if match else "" for match in named}
    if len(fields) != 1 or "" in fields:
        return None
    return min(match for match in named if match)


def is_given_answer(header: str) -> bool:
    """Whether a column holds what somebody answered (學生答案, "your answer"), which is no key."""
    if len(header) > _LONGEST_HEADER:
        return False
    name = fold_name(header)
    # 「預測答案（第二次）」 is as little a key as 「預測答案」.
    names = (name, _without_note(header))
    return name not in _BY_NAME and any(map(_GIVEN.search, names))


def names_index(header: str) -> bool:
    """Whether the name of a key's field says that numbers in it are indexes (answerIndex)."""
    return len(header) <= _LONGEST_HEADER and bool(_INDEX.search(fold_name(header)))


def wrong_label(header: str) -> str | None:
    """The label of a column that holds a wrong answer (``"1"``, ``""`` without one), else None."""
    match = _WRONG.fullmatch(fold_name(header)) if len(header) <= _LONGEST_HEADER else None
    return None if match is None else (match.group("label") or "").upper()


def right_label(header: str) -> str:
    """The label of the option that a column says is right or wrong (選項A是否正確), else ``""``."""
    match = _RIGHT.fullmatch(fold_name(header)) if len(header) <= _LONGEST_HEADER else None
    return option_label(match.group("option")) if match else ""
