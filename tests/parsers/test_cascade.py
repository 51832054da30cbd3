"""A cascade tries its parsers in turn; parsers are plugins."""

import subprocess
import sys

import pytest

from zhmcq.errors import PluginError, UnknownNameError
from zhmcq.parsers import ParsedAnswer, Parser, get_parser, parser_names, register_parser
from zhmcq.questions import Question
from zhmcq.testing import isolated_plugins

QUESTION = Question("q", "最熱？", ("春天", "夏天", "秋天", "冬天"))


class Always:
    """Answers the same whatever the reply."""

    def __init__(self, answer: ParsedAnswer) -> None:
        self.answer = answer

    def parse(self, text: str, question: Question) -> ParsedAnswer:
        return self.answer


NOTHING = ParsedAnswer(None, "none", reason="nothing")
BOTH = ParsedAnswer(None, "ambiguous", reason="both")
FIRST = ParsedAnswer((0,), "answered", "x", span=(0, 1))


def test_the_first_parser_with_an_answer_decides() -> None:
    cascade = get_parser("cascade", parsers=(Always(NOTHING), Always(BOTH), Always(FIRST), "zh"))
    assert cascade.parse("x: 答案是B", QUESTION) == FIRST


def test_without_an_answer_the_first_result_that_is_more_than_none_counts() -> None:
    cascade = get_parser("cascade", parsers=[Always(NOTHING), Always(BOTH)])
    assert cascade.parse("", QUESTION) == BOTH


def test_the_default_cascade_reads_json_and_then_words() -> None:
    cascade = get_parser("cascade")
    assert cascade.parse('答案是A {"answer": "B"}', QUESTION).answer == (1,)
    assert cascade.parse("答案是A", QUESTION).answer == (0,)
    assert cascade.parse("天氣很好", QUESTION).reason == "the reply commits to no option"


@pytest.mark.parametrize("parsers", [(), "zh"])
def test_a_cascade_of_nothing_or_of_letters_is_refused(parsers: object) -> None:
    with pytest.raises(PluginError, match=r"expected the parsers of a cascade.*found"):
        get_parser("cascade", parsers=parsers)


def test_zh_is_the_default_and_all_names_are_known() -> None:
    assert get_parser().parse("B", QUESTION).answer == (1,)
    assert {"cascade", "json", "strict", "zh"} <= set(parser_names())
    assert isinstance(get_parser("zh"), Parser)


def test_an_unknown_parser_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'strict'"):
        get_parser("strikt")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(PluginError, match="could not be made with options"):
        get_parser("zh", resoning=True)


def test_a_name_of_a_parser_is_registered_once() -> None:
    with isolated_plugins():

        @register_parser("always-first")
        def always_first() -> Always:
            return Always(FIRST)

        assert get_parser("always-first").parse("", QUESTION) == FIRST
        instance = Always(NOTHING)
        assert get_parser(instance) is instance
        with pytest.raises(PluginError, match="registered already"):
            register_parser("always-first")


def test_reading_replies_loads_no_model_library() -> None:
    code = (
        "import sys; from zhmcq.parsers import get_parser; from zhmcq.questions import Question; "
        "assert 'opencc' not in sys.modules; "
        "assert get_parser('cascade').parse('答案：乙', "
        "Question('q', '?', ('', ''), labels=('甲', '乙'))).answer == (1,); "
        "print({'torch', 'transformers', 'pandas', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
