"""Stems that ask what does not hold (下列何者不是…), and the same stems asked affirmatively.

Of such a question's options all but the key hold. A model that compares how likely options are as
answers does better with the affirmative stem, to which the key is the least likely answer, than
with one word that turns all its preferences around. What is recognised here leans to one side: a
stem that is left as it is can still be answered, one turned around by mistake is answered wrongly.
"""

from __future__ import annotations

import re

__all__ = ["affirmative_stem"]

# What asks for an option, or for what it stands for.
_WHICH = (
    r"(?:[何哪][者項项種种個个位件處处人地時时國国類类篇座句物]"
    r"|[誰谁]|哪一?[個个項项種种位者件些類类篇座句裡里國国]?|[什甚][麼么])"
)
# What a stem calls its options, or asks for them by.
_OPTIONS = (
    r"(?:[敘叙][述事]|說法|说法|描述|[陳陈]述|[選选][項项]|[內内]容|[觀观][點点]|推[論论]|解[釋释]"
    r"|解[讀读]|配[對对]|何者|何[項项]|下列|以下|哪一?[個个項项種种者])"
)
# Judgements of a whole option, and their opposites.
_JUDGEMENTS = {
    "錯誤": "正確",
    "错误": "正确",
    "有誤": "正確",
    "有误": "正确",
    "有錯": "正確",
    "有错": "正确",
    "不正確": "正確",
    "不正确": "正确",
    "不對": "正確",
    "不对": "正确",
    "為非": "為是",
    "为非": "为是",
    "不實": "屬實",
    "不实": "属实",
    "不符合": "符合",
    "不符": "相符",
    "不恰當": "恰當",
    "不恰当": "恰当",
    "不適當": "適當",
    "不适当": "适当",
    "不適合": "適合",
    "不适合": "适合",
    "不合適": "合適",
    "不合适": "合适",
    "不可能": "可能",
}
# Verbs that say what something is, has or is counted among; 刮 and 誇 are often typed for 括.
_VERBS = (
    r"(?:是|[為为]|[屬属][於于]?|包[含括刮誇]|涵[蓋盖]|[含列]入|含有?|算是?|符合|在於|在于"
    r"|[適适]用)"
)
# 非 begins words (非常, 非法, 非洲) and ends others (除非, 莫非, 若非, 是非, 無非).
_IS_NOT = (
    r"(?<![除莫若是無无])非(?![常法洲凡但得選选營营典議议政正官核主假同自本流婚裔洲處处他其])"
    r"(?:是|[為为]|[屬属][於于]?)?"
)
# 有沒有, 都沒有, 的不是 and 因沒有 negate nothing that is asked for; nor does 不在意.
_NOT = (
    rf"(?P<word>(?<![是有的])[並并]?[不未](?={_VERBS})|[並并]非(?:是|[為为]|[屬属][於于])?|"
    rf"(?<![有都的因])[並并]?[沒没]有?(?=被|在|[包涵屬属出提])|{_IS_NOT})(?!在[意乎])"
)
# Words in which 未 stands for something else: 未來, 未必, 未婚, 未知, 未滿, 未成年; 從未, 究未.
_HAS_NOT = (
    r"(?P<word>[未不]曾|(?<![有都的因])[並并]?[沒没]有|[並并]未"
    r"|(?<![稍尚從从究])未(?![來来必婚知滿满成明免]))"
)
_LACKS = r"(?P<word>(?<![有都的因就])[並并]?[沒没]有|[並并]?不(?=[會会需曾受]))"
_PHRASE = r"[^，。；？！?!;]"
_END = r"[」』()（）？?。：:_＿\s]*$"

_JUDGEMENT = re.compile(
    rf"{_OPTIONS}(?:{_PHRASE}{{0,16}}?|[^。；？！?!;]{{0,40}}?[，,])(?<!最)"
    rf"(?P<word>{'|'.join(_JUDGEMENTS)})"
    r"(?=的?[？?。：:」』()（）\s]*$|[？?。：:」』)）]|的?(?:[選选][項项]|[敘叙]述|描述|[說说]法|是|[為为])|之[敘叙]述|的是|者"
    r"|[文本上]文|文章|文意|[題题]意|事[實实]|原文|下列|何者)"
)
_AFTER = re.compile(rf"(?:{_WHICH}|下列|以下){_PHRASE}{{0,8}}?(?<!最){_NOT}")
_PATTERNS = (
    _AFTER,  # 下列何者不是…
    # …不包含下列何者, …不屬於…的是（　）
    re.compile(
        rf"{_NOT}(?:{_PHRASE}{{0,18}}?(?:{_WHICH}|之一|下列|以下){_PHRASE}{{0,8}}"
        rf"|{_PHRASE}{{1,30}}的是){_END}"
    ),
    re.compile(rf"(?<!的)(?P<word>[並并]?不)(?={_VERBS}{_END})"),  # …不包含？
    re.compile(rf"{_WHICH}{_PHRASE}{{0,6}}?{_HAS_NOT}"),  # 何者沒有參與…
    # 下列何者不會…
    re.compile(
        rf"(?:下列|以下)?(?:何者|何項|哪一?[個个項项種种]){_PHRASE}{{0,6}}?"
        r"(?P<word>[並并]?不)(?=[會会能需可])(?!可[勝胜])"
    ),
    # 沒有擔任過哪些官職
    re.compile(rf"{_LACKS}(?:在|被|把)?{_PHRASE}{{0,8}}?{_WHICH}{_PHRASE}{{0,4}}{_END}"),
)
# A reason, a contrast, a doubt: the negation belongs to what is told, not to the question.
_TOLD = re.compile(
    r"(?<![認认以])[為为](?:何|[什甚][麼么])|怎[麼么樣样]|如何|因[為为此]|而[是不]|卻|却|有[沒没]有"
    r"|[雖虽較较]"
)
_QUOTED = re.compile(r"「[^「」]*」|『[^『』]*』|《[^《》]*》|“[^“”]*”|\"[^\"]*\"")


def affirmative_stem(stem: str) -> str | None:
    """The stem that asks what holds, if this one asks what does not; else ``None``.

    Args:
        stem: In Traditional or Simplified Chinese.
    """
    # What is quoted is not what is asked. Its length stays, and so do all indexes.
    text = _QUOTED.sub(lambda quoted: "\0" * len(quoted[0]), stem)
    match = _JUDGEMENT.search(text)
    if match is not None:
        return _replaced(stem, match, _JUDGEMENTS[match["word"]])
    if _TOLD.search(text):
        return None
    for pattern in _PATTERNS:
        match = pattern.search(text)
        if match is not None:
            return _replaced(stem, match, _affirmed(text, match))
    return None


def _affirmed(text: str, match: re.Match[str]) -> str:
    """What stands in place of the negation."""
    word, following = match["word"], text[match.end("word") :][:1]
    if "非" in word:
        return "" if following in set("在被因") else "是"
    if "曾" in word:
        return "曾"
    return "有" if word.endswith("有") and following not in set("在被") else ""


def _replaced(stem: str, match: re.Match[str], word: str) -> str | None:
    """The stem with its negation replaced; ``None`` if what is left is negative once more."""
    start, end = match.span("word")
    result = stem[:start] + word + stem[end:]
    rest = _QUOTED.sub("", result)
    return None if _JUDGEMENT.search(rest) or _AFTER.search(rest) else result
