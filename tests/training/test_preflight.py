"""Each rule refuses an input that differs in one thing from one that passes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chat_templates import KINDS, USUAL
from tokenizers.normalizers import Replace
from transformers import AutoTokenizer

import zhmcq
from conftest import unseen
from zhmcq import errors
from zhmcq.encoding import EncodedQuestion, Encoder, EncodingProblem
from zhmcq.encoding._chat_probe import TEMPLATE_RULES
from zhmcq.prompts import Candidate, Prompt, RenderedPrompt, get_prompt
from zhmcq.questions import Origin, Question
from zhmcq.testing import isolated_plugins, tiny_llama
from zhmcq.training._preflight import (
    RULES,
    CheckedQuestions,
    PreflightReport,
    TokenLengths,
    check_questions,
    preflight_report,
)

GOOD = Question("q", "誰在家？", ("小明", "小華", "小美"), "小明在家。", answer=(0,))
OTHER = Question("o", "誰不在？", ("小明", "小華", "小美"), "小華出門了。", answer=(1,))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama", chat=True)


@dataclass(frozen=True)
class Changed:
    """``zh-exam``, with its work changed by a function."""

    change: Callable[[Question, RenderedPrompt], Any]
    prompt: str = "zh-exam"

    def render(self, question: Question) -> Any:
        return self.change(question, get_prompt(self.prompt).render(question))


def same(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    return rendered


def turned(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    return replace(rendered, least_likely=True)


class Spoiling(Encoder):
    """An encoder that forgets the end of its answers."""

    def encode(
        self, questions: Iterable[Question]
    ) -> tuple[list[EncodedQuestion], list[EncodingProblem]]:
        encoded, unfit = super().encode(questions)
        short = [replace(q, candidates=tuple((*c[:-1], 5) for c in q.candidates)) for q in encoded]
        return short, unfit


class Beheading(Encoder):
    """An encoder that forgets the beginning of its prompts."""

    def encode(
        self, questions: Iterable[Question]
    ) -> tuple[list[EncodedQuestion], list[EncodingProblem]]:
        encoded, unfit = super().encode(questions)
        return [replace(q, prompt=q.prompt[1:]) for q in encoded], unfit


def raising(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    raise KeyError("no such wording")


def text_only(question: Question, rendered: RenderedPrompt) -> str:
    return str(rendered.prompt)


def cut(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    """As a limit of characters would: the last option is gone."""
    assert isinstance(rendered.prompt, str)
    return replace(rendered, prompt=rendered.prompt.replace("C. 小美\n", ""))


def first_in_passage_only(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    assert isinstance(rendered.prompt, str)
    return replace(rendered, prompt=rendered.prompt.replace("A. 小明\n", "A.\n"))


def knowing(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    return replace(rendered, prompt=f"{rendered.prompt}{question.label_of(question.answer)}")


def key_alone(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    """The key is a candidate only where it is known."""
    kept = [c for c in rendered.candidates if c.answer == question.answer or c.answer != (0,)]
    return replace(rendered, candidates=tuple(kept))


def without_key(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    return replace(rendered, candidates=rendered.candidates[1:])


def alike(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    first, second, third = rendered.candidates
    return replace(rendered, candidates=(first, Candidate(first.text, second.answer), third))


def unwritable(question: Question, rendered: RenderedPrompt) -> RenderedPrompt:
    first, *rest = rendered.candidates
    return replace(rendered, candidates=(Candidate("\u200b", first.answer), *rest))


TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message.content }}{{ eos_token }}{% endfor %}"
)
UNREFUSED = Question("r", "誰？", ("甲", "乙"), answer=(1,))
ONE_REFUSED = "{% if '小華' in messages[1].content %}{{ raise_exception('no') }}{% endif %}"


def exam(change: Callable[[Question, RenderedPrompt], Any]) -> dict[str, Any]:
    return {"prompt": Changed(change)}


# rule, what passes, the one thing that is changed
CASES = [
    ("prompt_fails", exam(same), exam(raising)),
    ("prompt_fails", exam(same), exam(text_only)),
    ("not_encodable", {"chat": TEMPLATE}, {"chat": ONE_REFUSED + TEMPLATE, "others": [UNREFUSED]}),
    ("too_long", {"max_length": 50}, {"max_length": 30}),
    ("no_key", {"question": GOOD}, {"question": replace(GOOD, answer=None)}),
    ("answer_not_scored", exam(same), exam(key_alone)),
    ("answer_not_scored", exam(same), exam(without_key)),
    ("renders_differently", exam(same), exam(knowing)),
    ("option_missing", exam(same), exam(cut)),
    ("option_missing", exam(same), exam(first_in_passage_only)),
    ("least_likely", exam(turned), exam(turned) | {"key_alone": True}),
    ("answer_not_unique", exam(same), exam(alike)),
    ("answer_not_supervised", exam(same), exam(unwritable)),
    ("end_not_supervised", {"encoder": Encoder}, {"encoder": Spoiling}),
    ("bos_missing", {"encoder": Encoder}, {"encoder": Beheading}),
    ("bos_doubled", {"chat": TEMPLATE}, {"chat": "{{ bos_token }}" + TEMPLATE}),
    *(
        (kind.rule, {"chat": USUAL}, {"chat": kind.template})
        for kind in KINDS.values()
        if kind.rule in TEMPLATE_RULES
    ),
]


def broken_rules(
    base: Path,
    question: Question = GOOD,
    prompt: Prompt | None = None,
    max_length: int = 512,
    chat: str | None = None,
    encoder: type[Encoder] = Encoder,
    others: Sequence[Question] = (),
    key_alone: bool = False,
) -> set[str]:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.backend_tokenizer.normalizer = Replace("\u200b", "")
    tokenizer.chat_template = chat
    template = prompt or get_prompt("zh-exam" if chat is None else "zh-chat")
    made = encoder(tokenizer, template, max_length)
    checked = check_questions([question, *others], made, template, key_alone=key_alone)
    findings = checked.findings
    report = preflight_report(checked, CheckedQuestions(0, [], []), made.codec)
    if findings:
        where = ".*'q'" if findings[0].id else "expected|the chat template refuses"
        with pytest.raises(errors.PreflightError, match=f"  {findings[0].rule}: {where}"):
            report.raise_if_broken()
    else:
        report.raise_if_broken()
    return {finding.rule for finding in findings}


@pytest.mark.parametrize(("rule", "passing", "broken"), CASES, ids=[case[0] for case in CASES])
def test_a_broken_input_is_refused_by_its_rules_name(
    base: Path, rule: str, passing: dict[str, Any], broken: dict[str, Any]
) -> None:
    assert broken_rules(base, **passing) == set()
    # A prompt that knows the key renders differently, whatever else it does with it.
    also = {"renders_differently"} if broken == exam(key_alone) else set()
    assert broken_rules(base, **broken) == {rule} | also


def test_every_rule_has_a_broken_input() -> None:
    # The rule for questions that are in both parts has its tests in test_overlap.py.
    assert {case[0] for case in CASES} | {"in_training"} == set(RULES)


def test_the_documents_list_every_rule() -> None:
    page = Path(__file__).parents[2] / "docs" / "en" / "training.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert [row for row in rows if row[3:].split("`")[0] in RULES] == [
        f"| `{rule}` | {meaning} |" for rule, meaning in RULES.items()
    ]


@pytest.mark.parametrize(
    "question",
    [
        replace(GOOD, options=("甲", "甲乙", "甲乙丙")),
        replace(GOOD, options=("小明 在家", "小　華", "𠀀𠀁")),  # unknown characters are <unk>
        replace(GOOD, options=("<s>", "</s>", "答案：")),
        replace(GOOD, kind="multiple", answer=(0, 2)),
        replace(GOOD, passage="小明。" * 400),
    ],
    ids=["parts of each other", "spaces and unknowns", "control tokens", "several", "shortened"],
)
@pytest.mark.parametrize("prompt", ["zh-exam", "zh-cloze"])
def test_odd_options_that_can_be_read_are_let_through(
    base: Path, question: Question, prompt: str
) -> None:
    assert broken_rules(base, question, prompt=get_prompt(prompt)) == set()


def test_a_prompt_that_is_remembered_wrongly_renders_differently(base: Path) -> None:
    class Hinting:
        """Keeps its hints where nothing remembers them."""

        def __init__(self) -> None:
            self.hints: dict[str, str] = {}

        def render(self, question: Question) -> RenderedPrompt:
            rendered = get_prompt("zh-exam").render(question)
            return replace(rendered, prompt=self.hints.get(question.id, "") + rendered.input_text)

    with isolated_plugins():
        zhmcq.register_prompt("hinting")(Hinting)
        prompt = Hinting()
        trainer = zhmcq.LoraTrainer(base, prompt=prompt)
        assert trainer.preflight([GOOD]).findings == ()
        prompt.hints["q"] = "想一想。"
        (finding,) = trainer.preflight([GOOD]).findings
        assert finding.rule == "renders_differently"


def test_a_prompt_whose_options_cannot_be_seen_is_refused_before_any_step(base: Path) -> None:
    class Marked:
        def __init__(self, mark: str) -> None:
            self._mark = mark

        def render(self, question: Question) -> RenderedPrompt:
            rendered = get_prompt("zh-exam").render(question)
            return replace(rendered, prompt=rendered.input_text + self._mark)

    with isolated_plugins():
        zhmcq.register_prompt("marked")(Marked)
        trainer = zhmcq.LoraTrainer(base, prompt=Marked("？"))
        with pytest.raises(errors.PluginError, match=r"Marked was given for mark cannot be seen"):
            trainer.preflight([GOOD])


def test_a_chat_template_that_writes_no_bos_has_its_way(base: Path) -> None:
    assert broken_rules(base, chat=TEMPLATE.replace("{{ bos_token }}", "")) == set()


def test_a_faulty_template_is_one_finding_and_not_one_a_question(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    bank = [replace(GOOD, id=f"q{n}") for n in range(62)]
    for template, rule in (
        (None, "template_missing"),
        ("{{ raise_exception('only tools') }}", "template_fails"),
        # Found out with the questions themselves.
        ("{% if '誰' in messages[1].content %}{{ no() }}{% endif %}" + USUAL, "template_fails"),
    ):
        tokenizer.chat_template = template
        encoder = Encoder(tokenizer, get_prompt("zh-chat"))
        checked = check_questions(bank, encoder, get_prompt("zh-chat"))
        assert [(finding.rule, finding.id) for finding in checked.findings] == [(rule, "")]
        report = preflight_report(checked, checked, encoder.codec)
        assert len(report.findings) == 1
        assert "tokens of a prompt" not in str(report)  # there are no lengths
        with pytest.raises(
            errors.PreflightError, match=r"^the chat template would teach the model"
        ):
            report.raise_if_broken()


def test_a_template_and_a_question_are_both_reported(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = None
    encoder = Encoder(tokenizer, get_prompt("zh-chat"))
    bank = [GOOD, replace(GOOD, id="k", answer=None)]
    checked = check_questions(bank, encoder, get_prompt("zh-chat"))
    report = preflight_report(checked, CheckedQuestions(0, [], []), encoder.codec)
    with pytest.raises(
        errors.PreflightError, match=r"^the chat template and 1 of 2 questions would teach"
    ):
        report.raise_if_broken()


def test_an_error_names_the_row_and_carries_the_whole_report(base: Path, tmp_path: Path) -> None:
    origin = Origin("bank.xlsx", "Sheet1", 7)
    bank = [replace(GOOD, id=f"k{i}", answer=None, origin=origin) for i in range(9)]
    with pytest.raises(errors.PreflightError) as caught:
        zhmcq.LoraTrainer(base).train([GOOD, *bank], None, tmp_path / "run")
    assert f"question 'k0' ({origin}): expected a key, found none" in str(caught.value)
    assert "… and 4 more" in str(caught.value)
    assert [f.id for f in caught.value.report.findings] == [q.id for q in bank]


def test_lengths_are_those_before_passages_are_shortened(base: Path) -> None:
    settings = zhmcq.TrainingSettings(max_length=60)
    long = replace(GOOD, id="long", passage="小明在家。" * 20)
    report = zhmcq.LoraTrainer(base, training=settings).preflight([GOOD, long], unseen([long]))
    assert (report.shortened, report.validation_shortened) == (1, 1)
    assert report.lengths.longest == 140
    assert report.lengths.median == (45 + 140) // 2
    assert "longest 140; 1 question with a shortened passage, 1 for validation" in str(report)


def test_questions_without_keys_are_reported_and_not_estimated(base: Path) -> None:
    keyless = replace(GOOD, id="k", answer=None)
    trainer = zhmcq.LoraTrainer(base)
    report = trainer.preflight([keyless])
    assert [finding.rule for finding in report.findings] == ["no_key"]
    assert report.run is None
    both, good = trainer.preflight([keyless, GOOD]), trainer.preflight([GOOD])
    assert both.run == good.run is not None


def test_validation_questions_are_checked_and_named_as_such(base: Path) -> None:
    keyless = replace(GOOD, id="v", answer=None)
    (finding,) = zhmcq.LoraTrainer(base).preflight([GOOD], unseen([keyless])).findings
    assert (finding.rule, finding.id) == ("no_key", "v-v")
    assert finding.reason == "validation question 'v-v': expected a key, found none"


def test_the_predictor_scores_the_very_ids_that_were_supervised(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zhmcq.modeling._scoring import ScoringEngine

    seen: list[list[EncodedQuestion]] = []
    stream = ScoringEngine.stream

    def watched(self: ScoringEngine, questions: Any) -> Any:
        seen.append(list(questions))
        return stream(self, questions)

    monkeypatch.setattr(ScoringEngine, "stream", watched)
    bank = [replace(GOOD, id=f"q{i}", answer=(i % 3,)) for i in range(4)]
    trainer = zhmcq.LoraTrainer(base, prompt=get_prompt("zh-exam", labels="甲乙丙"))
    run = trainer.train(bank, unseen(bank), tmp_path / "run")
    predictor = zhmcq.MCQPredictor(base, adapter=run.adapter_dir)
    predictor.predict([replace(question, answer=None) for question in unseen(bank)])
    trained, predicted = seen[-2], seen[-1]
    assert [(q.prompt, q.candidates) for q in trained] == [
        (q.prompt, q.candidates) for q in predicted
    ]
    assert [q.target for q in predicted] == [None] * 4


def test_the_report_reads_as_a_page(base: Path) -> None:
    settings = zhmcq.TrainingSettings(gradient_accumulation_steps=2, num_train_epochs=2)
    bank = [replace(GOOD, id=f"q{i}", answer=(i,)) for i in range(3)]
    report = zhmcq.LoraTrainer(base, training=settings).preflight(bank, [OTHER])
    lines = str(report).splitlines()
    assert lines[0] == "3 questions to train on, 1 for validation"
    assert lines[1].startswith("tokens of a prompt with its answer: median 45, 90 % up to 45, 99 %")
    # Two questions share their prompt of 43 tokens; the third has a step of its own. Ends are not
    # computed.
    assert lines[2] == "4 steps; 264 tokens given, 178 computed, at most 45 at once"
    assert lines[3].startswith("about ")
    assert lines[4] == "findings: none"
    assert lines[5] == "supervised, between 〔 and 〕:"
    assert lines[6] == "<s>文章：小明在家。"
    assert lines[-1] == "答案：〔A</s>〕"
    assert zhmcq.LoraTrainer(base).preflight([]).run is None


def test_a_report_is_printed_on_a_console_that_lacks_some_of_its_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = PreflightReport(1, 0, (), 0, 0, TokenLengths(1, 1, 1, 1), "国\x1b〔甲〕")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp950", newline="\n"))
    print(report, flush=True)  # noqa: T201 - what is tested
    assert raw.getvalue().decode("cp950").splitlines()[-1] == "\\u56fd\\x1b〔甲〕"
    assert report.text().splitlines()[-1] == "国\\x1b〔甲〕"
