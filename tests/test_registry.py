from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import PluginError, UnknownNameError
from zhmcq.parsers import ZhParser, get_parser, parser_names, register_parser
from zhmcq.prompts import ExamPrompt, describe_prompt, get_prompt, prompt_names, register_prompt
from zhmcq.questions import Question
from zhmcq.registry import Registry
from zhmcq.testing import check_parser, check_prompt, isolated_plugins

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


def test_the_decorator_returns_the_class() -> None:
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
def test_an_unknown_name_raises_an_error_with_the_known_and_the_nearest(wrong: str) -> None:
    expected = f"no greeter is named '{wrong}'; known: polite-greeter. Did you mean 'polite-g"
    with pytest.raises(UnknownNameError, match=expected):
        made_registry().get(wrong)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"'xyz'; known: polite-greeter\.$"):
        made_registry().get("xyz")


def test_a_taken_name_is_replaced_only_on_request() -> None:
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
    with pytest.raises(
        PluginError, match=r"expected greeter 'broken' to be an object with a greet\(\)"
    ):
        registry.get("broken")
    with pytest.raises(PluginError, match="expected the greeter to be an object with a greet"):
        registry.get(None)
    with pytest.raises(PluginError, match=r"found the class Greeter: write Greeter\(…\)"):
        registry.get(Greeter)


@pytest.mark.parametrize("wrong", [7, None, "zhmcq.prompts:ExamPrompt"])
def test_what_cannot_be_called_is_not_registered(wrong: Any) -> None:
    registry = made_registry()
    with pytest.raises(PluginError, match="expected a class or function as greeter 'other', found"):
        registry.register("other")(wrong)
    assert registry.names() == ["polite-greeter"]


@pytest.mark.parametrize("wrong", [123, 1.5, b"polite-greeter", ["polite-greeter"]])
def test_a_name_that_is_no_text_is_refused_by_its_type(wrong: Any) -> None:
    registry = made_registry()
    with pytest.raises(PluginError, match=f"of type {type(wrong).__name__}$"):
        registry.get(wrong)
    with pytest.raises(PluginError, match="expected the name of a greeter as text"):
        registry.register(wrong)


def test_an_instance_is_named_by_its_class_and_not_by_a_base_class() -> None:
    class Louder(Greeter):
        pass

    registry = made_registry()
    assert registry.name_of(Greeter("嗨")) == "polite-greeter"
    assert registry.name_of(Louder("嗨")) is None
    registry.register("loud-greeter")(Louder)
    assert registry.name_of(Louder("嗨")) == "loud-greeter"


def test_what_a_function_makes_has_no_name() -> None:
    registry: Registry[Any] = Registry("greeter", "zhmcq.tests.greeters", "greet")
    registry.register("made")(lambda: Greeter("好"))
    assert registry.name_of(registry.get("made")) is None


def test_a_class_has_one_name() -> None:
    registry = made_registry()
    for replace in (False, True):
        with pytest.raises(PluginError, match=r"Greeter is registered already as greeter 'polite"):
            registry.register("second-name", replace=replace)(Greeter)
    assert registry.names() == ["polite-greeter"]
    registry.register("polite-greeter", replace=True)(Greeter)
    registry.register("second-name")(lambda word="早": Greeter(word + "！"))
    assert registry.get("second-name").greet() == "早！"


def test_what_is_registered_in_isolation_is_undone_afterwards() -> None:
    registry = made_registry()
    with registry.isolated() as inside:
        assert inside is registry
        registry.register("other")(lambda: Greeter("喂"))
        registry.register("polite-greeter", replace=True)(lambda: Greeter("新"))
        assert registry.names() == ["other", "polite-greeter"]
        assert registry.get("polite-greeter").greet() == "新"
    assert registry.names() == ["polite-greeter"]
    assert registry.get("polite-greeter").greet() == "你好"


def test_isolation_can_be_nested_and_ends_after_an_error_too() -> None:
    registry = made_registry()

    def register_and_fail() -> None:
        with registry.isolated():
            registry.register("inner")(lambda: Greeter("內"))
            registry.get("neither")

    with registry.isolated():
        registry.register("outer")(lambda: Greeter("外"))
        with pytest.raises(UnknownNameError, match="known: inner, outer, polite-greeter"):
            register_and_fail()
        assert registry.names() == ["outer", "polite-greeter"]
    assert registry.names() == ["polite-greeter"]


def test_prompts_and_parsers_are_isolated_together() -> None:
    with isolated_plugins():
        register_prompt("mine")(lambda: ExamPrompt("甲乙"))
        register_parser("mine")(lambda: ZhParser(reasoning=True))
        assert "mine" in prompt_names()
        assert "mine" in parser_names()
    assert "mine" not in prompt_names()
    assert "mine" not in parser_names()


# --- plugins of installed packages -------------------------------------------------------

PLUGIN = """
from zhmcq.parsers import ParsedAnswer
from zhmcq.prompts import Candidate, RenderedPrompt, answer_sets, register_prompt


class Shout:
    def __init__(self, mark="！"):
        self.mark = mark

    def render(self, question):
        text = f"{question.passage}\\n{question.stem}{self.mark}\\n"
        candidates = tuple(Candidate(question.label_of(a), a) for a in answer_sets(question))
        return RenderedPrompt(question, text, candidates)


class Bare:
    def render(self, question):
        return Shout("？").render(question)


@register_prompt("tiny-twice", replace=True)
class Twice(Bare):
    pass


class Last:
    def parse(self, text, question):
        if text[-1:] in question.labels:
            return ParsedAnswer((question.labels.index(text[-1]),), "answered", text[-1])
        return ParsedAnswer(None, "none")
"""
ENTRY_POINTS = """
[zhmcq.prompts]
tiny-shout = tiny_zhmcq_plugin:Shout
tiny-bare = tiny_zhmcq_plugin:Bare
tiny-twice = tiny_zhmcq_plugin:Twice
tiny-third = tiny_zhmcq_plugin:Twice
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
    with isolated_plugins():  # a look-up registers what it loads
        yield
    for name in ("tiny_zhmcq_plugin", "tiny_zhmcq_broken"):
        sys.modules.pop(name, None)


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


@pytest.mark.usefixtures("plugins")
def test_an_instance_of_an_installed_class_is_named_before_its_name_was_looked_up() -> None:
    plugin = importlib.import_module("tiny_zhmcq_plugin")
    assert describe_prompt(plugin.Bare()).name == "tiny-bare"


@pytest.mark.usefixtures("plugins")
def test_the_decorator_and_the_entry_point_of_a_package_may_say_the_same_name() -> None:
    assert get_prompt("tiny-twice").render(QUESTION).target_text == "B"
    assert describe_prompt("tiny-twice").name == "tiny-twice"


@pytest.mark.usefixtures("plugins")
def test_an_entry_point_with_a_second_name_for_a_class_is_refused() -> None:
    get_prompt("tiny-twice")
    with pytest.raises(PluginError, match=r"'tiny-third' .*registered already as prompt 'tiny-twi"):
        get_prompt("tiny-third")


def test_plugins_are_gone_when_their_package_is() -> None:
    assert "tiny-shout" not in prompt_names()
    with pytest.raises(UnknownNameError):
        get_parser("tiny-last")
