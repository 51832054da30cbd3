"""The table of rules keeps what its module says of it."""

from pathlib import Path

import pytest

from zhmcq.parsers import explain, get_parser
from zhmcq.parsers._rules import LINKS, RULES, STRICT, Rule
from zhmcq.questions import Question

QUESTION = Question("q", "一年中哪個季節最熱？", ("春天", "夏天", "秋天", "冬天"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_of_a_rule_is_read_as_it_says(rule: Rule) -> None:
    parsed = get_parser("zh").parse(rule.example, QUESTION)
    assert QUESTION.label_of(parsed.answer) == rule.answer


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.name != "statement_is"], ids=lambda rule: rule.name
)
def test_the_example_of_a_rule_is_found_by_that_rule(rule: Rule) -> None:
    mentions = explain(rule.example, QUESTION)
    assert rule.name in {mention.rule for mention in mentions}
    if rule.answer:
        assert (
            get_parser("zh").parse(rule.example, QUESTION).reason
            == f"decided by the rule {rule.name!r}"
        )


def test_a_statement_is_judged_in_true_false_questions() -> None:
    question = Question("q", "夏天最冷。", ("是", "否"), labels=("是", "否"), kind="true_false")
    rule = next(rule for rule in RULES if rule.name == "statement_is")
    assert get_parser("zh").parse(rule.example, question).answer == (1,)
    assert explain(rule.example, question)[0].rule == "statement_is"


def test_names_differ_and_links_exist() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.link for rule in RULES} <= set(LINKS)
    assert all((rule.position == "form") == (rule.words == "") for rule in RULES)
    assert all(1 <= rule.weight <= 100 for rule in RULES)


def test_no_two_rules_claim_one_word() -> None:
    words = [word for rule in RULES if rule.position == "before" for word in rule.words.split("|")]
    assert len(words) == len(set(words))


def test_explain_gives_every_mention_the_weightiest_first() -> None:
    mentions = explain("可以排除A。如果選D就太冷。C項錯誤。大概是 (B) 夏天。答案：B", QUESTION)
    assert [
        (mention.rule, QUESTION.label_of(mention.answer), mention.weight) for mention in mentions
    ] == [
        ("answer", "B", 90),
        ("label_and_text", "B", 60),
        ("text_once", "B", 40),
        ("choose", "D", 15),
        ("is_wrong", "C", 0),
        ("rules_out", "A", 0),
    ]
    assert [mention.evidence for mention in mentions[:2]] == ["答案：B", "(B) 夏天"]


def test_explain_is_a_method_of_the_parser_too() -> None:
    parser = get_parser("zh", reasoning=True)
    mentions = parser.explain("<think>選A</think>選B", QUESTION)  # type: ignore[attr-defined]
    assert [(mention.rule, mention.answer) for mention in mentions] == [("choose", (1,))]


def test_strict_reads_final_answers_and_nothing_weaker() -> None:
    strict = get_parser("strict")
    for reply in ("B", "(B)夏天", "答案：B", "故選B", r"\boxed{B}", "因此選項B是正確的"):
        assert strict.parse(reply, QUESTION).answer == (1,), reply
    for reply in ("選項B正確", "大概是 (B) 夏天吧", "夏天的時候最熱，不是嗎", "我覺得熱的是夏天"):
        assert strict.parse(reply, QUESTION).status == "none", reply
        assert get_parser("zh").parse(reply, QUESTION).answer == (1,), reply
    assert STRICT == 82


def documented_replies() -> list[tuple[str, str, str, str]]:
    page = Path(__file__).parents[2] / "docs" / "en" / "parsers.md"
    section = page.read_text(encoding="utf-8").split("## The rules, one reply each")[1]
    rows = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return [(c[0].strip("`"), c[1], c[2].replace("⏎", "\n"), c[3]) for c in cells]


@pytest.mark.parametrize(("name", "weight", "reply", "expected"), documented_replies())
def test_the_docs_page_reads_replies_as_the_parser_does(
    name: str, weight: str, reply: str, expected: str
) -> None:
    parsed = get_parser("zh").parse(reply, QUESTION)
    assert (QUESTION.label_of(parsed.answer) or parsed.status) == expected
    assert int(weight) == next(rule.weight for rule in RULES if rule.name == name)
    assert name in {mention.rule for mention in explain(reply, QUESTION)}
    if expected != "none":
        assert parsed.reason == f"decided by the rule {name!r}"


def test_the_docs_page_shows_every_rule() -> None:
    shown = {name for name, *_ in documented_replies()}
    assert shown | {"statement_is"} == {rule.name for rule in RULES}
