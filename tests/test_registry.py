from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import PluginError, UnknownNameError
from zhmcq.parsers import get_parser, parser_names
from zhmcq.prompts import get_prompt, prompt_names
from zhmcq.questions import Question
from zhmcq.registry import Registry
from zhmcq.testing import check_parser, check_prompt

QUESTION = Question("q", "誰？", ("甲", "乙"), answer=(1,))


@dataclass
class Greeter:
    word: str = "你好"

    def greet(self) -> str:
        return self.word


def made_registry() -> Registry[Any]:
    registry: Registry[Any] = Registry("greeter", "zhmcq.tests.greeters", "greet")
    registry.register("polite-greeter")(Greeter)
    return registry


def test_a_name_builds_with_options_and_an_instance_comes_back_as_it_is() -> None:
    registry = made_registry()
    assert registry.get("polite-greeter").greet() == "你好"
    assert registry.get("polite-greeter", word="早").greet() == "早"
    mine = Greeter("嗨")
    assert registry.get(mine) is mine


def test_the_decorator_hands_the_class_back() -> None:
    @made_registry().register("other")
    class Other(Greeter):
        pass

    assert Other("喂").greet() == "喂"


def test_functions_are_factories_too() -> None:
    registry = made_registry()

    @registry.register("made")
    def make(times: int = 2) -> Greeter:
        return Greeter("好" * times)

    assert registry.get("made", times=3).greet() == "好好好"
    assert registry.names() == ["made", "polite-greeter"]


@pytest.mark.parametrize("wrong", ["polite_greeter", "Polite-Greeter", "POLITE-GREETER", "polite"])
def test_an_unknown_name_is_answered_with_the_known_and_the_nearest(wrong: str) -> None:
    expected = f"no greeter is named '{wrong}'; known: polite-greeter. Did you mean 'polite-g"
    with pytest.raises(UnknownNameError, match=expected):
        made_registry().get(wrong)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"'xyz'; known: polite-greeter\.$"):
        made_registry().get("xyz")


def test_a_taken_name_is_replaced_only_when_told() -> None:
    registry = made_registry()
    with pytest.raises(PluginError, match=r"named 'polite-greeter' is registered.*replace=True"):
        registry.register("polite-greeter")(Greeter)
    registry.register("polite-greeter", replace=True)(lambda: Greeter("新"))
    assert registry.get("polite-greeter").greet() == "新"


def test_the_decorator_without_its_name_is_refused_at_once() -> None:
    with pytest.raises(PluginError, match=r'write @register_greeter\("a-name"\)'):
        made_registry().register(Greeter)  # type: ignore[arg-type]


def test_options_that_do_not_fit_are_named() -> None:
    registry = made_registry()
    with pytest.raises(PluginError, match=r"options \{'wort': '早'\}: TypeError: .*'wort'"):
        registry.get("polite-greeter", wort="早")
    with pytest.raises(PluginError, match=r"\['word'\] can be given with a name only"):
        registry.get(Greeter(), word="早")


def test_things_without_the_method_are_refused() -> None:
    registry = made_registry()
    registry.register("broken")(lambda: 7)
    with pytest.raises(PluginError, match=r"greeter 'broken' must be an object with a greet\(\)"):
        registry.get("broken")
    with pytest.raises(PluginError, match="that was given must be an object with a greet"):
        registry.get(None)
    with pytest.raises(PluginError, match=r"but it is a class: Greeter\(…\)"):
        registry.get(Greeter)


# --- plugins of installed packages -------------------------------------------------------

PLUGIN = """
from zhmcq.parsers import ParsedAnswer
from zhmcq.prompts import Candidate, RenderedPrompt


class Shout:
    name = "tiny-shout"

    def __init__(self, mark="！"):
        self.mark = mark

    def render(self, question):
        from zhmcq.prompts.rendered import answer_sets

        text = f"{question.passage}\\n{question.stem}{self.mark}\\n"
        candidates = tuple(Candidate(question.label_of(a), a) for a in answer_sets(question))
        return RenderedPrompt(question, text, candidates)


class Last:
    def parse(self, text, question):
        if text[-1:] in question.labels:
            return ParsedAnswer((question.labels.index(text[-1]),), "answered", text[-1])
        return ParsedAnswer(None, "none")
"""
ENTRY_POINTS = """
[zhmcq.prompts]
tiny-shout = tiny_zhmcq_plugin:Shout
tiny-missing = tiny_zhmcq_plugin:Missing
tiny-raises = tiny_zhmcq_broken:Prompt

[zhmcq.parsers]
tiny-last = tiny_zhmcq_plugin:Last
tiny-absent = tiny_zhmcq_nowhere:Parser
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with good and broken plugins, installed for the time of a test."""
    import sys

    (tmp_path / "tiny_zhmcq_plugin.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "tiny_zhmcq_broken.py").write_text("1 / 0", encoding="utf-8")
    info = tmp_path / "tiny_zhmcq-1.0.dist-info"
    info.mkdir()
    metadata = "Metadata-Version: 2.1\nName: tiny-zhmcq\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("tiny_zhmcq_plugin", "tiny_zhmcq_broken"):
        sys.modules.pop(name, None)
    # A look-up keeps what it loaded; the next test must not find it.
    from zhmcq import parsers, prompts

    prompts._registry._factories.pop("tiny-shout", None)
    parsers.base._PARSERS._factories.pop("tiny-last", None)


@pytest.mark.usefixtures("plugins")
def test_an_installed_package_adds_its_prompts_and_parsers() -> None:
    assert "tiny-shout" in prompt_names()
    assert "tiny-last" in parser_names()
    assert get_prompt("tiny-shout", mark="？！").render(QUESTION).input_text == "\n誰？？！\n"
    assert get_parser("tiny-last").parse("答案是B", QUESTION).answer == (1,)
    check_prompt("tiny-shout")
    check_parser("tiny-last")


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny-missing", r"'tiny-missing' \(tiny_zhmcq_plugin:Missing\).*AttributeError.*Missing"),
        ("tiny-raises", r"'tiny-raises' \(tiny_zhmcq_broken:Prompt\).*ZeroDivisionError"),
    ],
)
def test_a_broken_plugin_is_named_and_the_others_work(name: str, message: str) -> None:
    assert name in prompt_names()
    with pytest.raises(PluginError, match=message + r".*the other prompts still work"):
        get_prompt(name)
    assert get_prompt("tiny-shout").render(QUESTION).target_text == "B"
    assert get_prompt("zh-exam").render(QUESTION).target_text == "B"


@pytest.mark.usefixtures("plugins")
def test_a_parser_whose_module_is_gone_is_named_and_the_others_work() -> None:
    with pytest.raises(PluginError, match=r"parser 'tiny-absent' .*No module named"):
        get_parser("tiny-absent")
    assert get_parser("tiny-last").parse("A", QUESTION).answer == (0,)
    assert get_parser().parse("答案：B", QUESTION).answer == (1,)


@pytest.mark.usefixtures("plugins")
def test_a_plugins_name_is_suggested_like_any_other() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny-shout'"):
        get_prompt("tiny_shout")


def test_plugins_are_gone_when_their_package_is() -> None:
    assert "tiny-shout" not in prompt_names()
    with pytest.raises(UnknownNameError):
        get_parser("tiny-last")
