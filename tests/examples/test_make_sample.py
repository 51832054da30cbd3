"""The sample is honest: it can be solved by reading, and not by looking at its surface."""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import openpyxl
import pytest
from rapidfuzz import fuzz, process

from make_sample import SOURCE, sample_questions, write_sample
from sample_vocabulary import SCENARIOS, Scenario
from zhmcq.questions import Question

SEEDS = (9, 1, 2)
SCENARIO = {scenario.topic: scenario for scenario in SCENARIOS}


@cache
def answered(seed: int = 9) -> tuple[Question, ...]:
    return sample_questions(seed).answered


@cache
def unanswered(seed: int = 9) -> tuple[Question, ...]:
    return sample_questions(seed).unanswered


def passages(questions: Sequence[Question]) -> list[str]:
    return list(dict.fromkeys(question.passage for question in questions))


def key_of(question: Question) -> str:
    assert question.answer is not None
    return question.options[question.answer[0]]


# ------------------------------------------------------------------------------------------ size


def test_the_sample_has_a_few_hundred_questions_on_180_passages() -> None:
    assert len(answered()) == 450
    assert len(passages(answered())) == 180
    assert len(unanswered()) == 40
    assert set(Counter(question.passage for question in answered()).values()) == {2, 3}


def test_the_two_files_share_no_passage_and_no_id() -> None:
    ids = [question.id for question in answered() + unanswered()]
    assert len(set(ids)) == len(ids)
    assert not set(passages(answered())) & set(passages(unanswered()))


def test_passages_are_short() -> None:
    lengths = [len(passage) for passage in passages(answered())]
    assert min(lengths) >= 30
    assert max(lengths) <= 100


def test_no_question_is_asked_twice() -> None:
    pairs = [(question.passage, question.stem) for question in answered()]
    assert len(set(pairs)) == len(pairs)


def test_the_same_seed_gives_the_same_sample_and_another_seed_another_one() -> None:
    assert sample_questions(3) == sample_questions(3)
    assert sample_questions(3) != sample_questions(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_passage_is_a_near_copy_of_another(seed: int) -> None:
    texts = passages(answered(seed) + unanswered(seed))
    for index, text in enumerate(texts):
        others = texts[:index]
        assert process.extractOne(text, others, scorer=fuzz.ratio, score_cutoff=70) is None
    grams = [{text[i : i + 3] for i in range(len(text) - 2)} for text in texts]
    nearest = max(
        len(one & other) / len(one | other) for i, one in enumerate(grams) for other in grams[:i]
    )
    assert nearest < 0.5


# ------------------------------------------------------------------------------- keys are derived


def facts_read_from(passage: str, scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Find the facts again in the text alone: key → (value, value given up or "")."""
    facts: dict[str, tuple[str, str]] = {}
    # A change is read before the plain clauses that may be part of it.
    for template in scenario.changes + scenario.facts:
        clause = pattern(template, scenario)
        for match in re.finditer(f"(?:^|(?<=[，；。])){clause}(?=[，；。])", passage):
            parts = match.groupdict()
            assert parts["k"] not in facts, (passage, parts["k"])
            facts[parts["k"]] = (parts["v"], parts.get("x") or "")
            passage = passage.replace(match[0], "")
    return facts


def pattern(template: str, scenario: Scenario) -> str:
    pools = {"k": scenario.keys, "v": scenario.values, "x": scenario.values}
    return re.sub(r"\{(.)\}", lambda slot: f"(?P<{slot[1]}>{'|'.join(pools[slot[1]])})", template)


def answer_read_from(question: Question) -> str:
    scenario = SCENARIO[question.subject]
    facts = facts_read_from(question.passage, scenario)
    assert len(facts) == 4, question.passage
    who, what = scenario.ask_words
    echoes_value = tuple(fact.replace("{v}", what) + "？" for fact in scenario.facts)
    echoes_key = tuple(fact.replace("{k}", who) + "？" for fact in scenario.facts)
    for stems, part in ((scenario.ask_value + echoes_value, 0), (scenario.ask_old, 1)):
        for stem in stems:
            if match := re.fullmatch(pattern(stem, scenario), question.stem):
                return facts[match["k"]][part]
    for stem in scenario.ask_key + echoes_key:
        if match := re.fullmatch(pattern(stem, scenario), question.stem):
            return next(key for key, (value, _) in facts.items() if value == match["v"])
    raise AssertionError(question.stem)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_key_follows_from_the_text_of_its_passage(seed: int) -> None:
    for question in answered(seed) + unanswered(seed):
        assert answer_read_from(question) == key_of(question), question


@pytest.mark.parametrize("seed", SEEDS)
def test_all_options_stand_in_the_passage_once_and_none_in_the_stem(seed: int) -> None:
    for question in answered(seed) + unanswered(seed):
        assert len(set(question.options)) == 4
        assert [question.passage.count(option) for option in question.options] == [1, 1, 1, 1]
        assert not [option for option in question.options if option in question.stem]


@pytest.mark.parametrize("seed", SEEDS)
def test_all_options_are_of_one_kind(seed: int) -> None:
    for question in answered(seed):
        scenario = SCENARIO[question.subject]
        assert set(question.options) <= set(scenario.keys) or (
            set(question.options) <= set(scenario.values)
        )


def test_no_text_of_a_pool_is_part_of_another_or_of_a_template() -> None:
    for scenario in SCENARIOS:
        pool = scenario.keys + scenario.values
        assert len(set(pool)) == len(pool)
        for text in pool:
            assert not [other for other in pool if text != other and text in other]
            fixed = scenario.openings + scenario.facts + scenario.changes + scenario.ask_value
            assert not [template for template in fixed + scenario.ask_key if text in template]


# ------------------------------------------------------------------- the surface gives nothing away


def share_right(questions: Sequence[Question], score: Callable[[Question, int], float]) -> float:
    """Accuracy of taking the option with the highest score; a tie counts for its share."""
    right = 0.0
    for question in questions:
        scores = [score(question, index) for index in range(4)]
        best = [index for index in range(4) if scores[index] == max(scores)]
        assert question.answer is not None
        right += (question.answer[0] in best) / len(best)
    return right / len(questions)


def within_chance(share: float, count: int) -> bool:
    """Whether a share right is within three standard deviations of one in four."""
    return abs(share - 0.25) <= 3 * math.sqrt(0.25 * 0.75 / count)


def bigrams(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


HEURISTICS: dict[str, Callable[[Question, int], float]] = {
    "longest": lambda question, i: len(question.options[i]),
    "shortest": lambda question, i: -len(question.options[i]),
    "position 1": lambda _, i: i == 0,
    "position 2": lambda _, i: i == 1,
    "position 3": lambda _, i: i == 2,
    "position 4": lambda _, i: i == 3,
    "mentioned first": lambda question, i: -question.passage.index(question.options[i]),
    "mentioned last": lambda question, i: question.passage.index(question.options[i]),
    "likest to the stem": lambda question, i: len(
        bigrams(question.options[i]) & bigrams(question.stem)
    ),
    "characters of the stem": lambda question, i: sum(
        character in question.stem for character in question.options[i]
    ),
    "smallest text": lambda question, i: -sum(map(ord, question.options[i])),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", HEURISTICS)
def test_a_look_at_the_surface_stays_at_chance(name: str, seed: int) -> None:
    questions = answered(seed)
    share = share_right(questions, HEURISTICS[name])
    assert within_chance(share, len(questions)), f"{name}: {share:.3f}"


@pytest.mark.parametrize("seed", SEEDS)
def test_options_that_were_keys_elsewhere_stay_at_chance(seed: int) -> None:
    questions = answered(seed)
    as_key: Counter[str] = Counter(key_of(question) for question in questions)
    here: Counter[tuple[str, str]] = Counter(
        (question.passage, key_of(question)) for question in questions
    )
    as_option = Counter(option for question in questions for option in question.options)

    def elsewhere(question: Question, index: int) -> int:
        option = question.options[index]
        return as_key[option] - here[question.passage, option]

    def rate(question: Question, index: int) -> float:
        return elsewhere(question, index) / as_option[question.options[index]]

    assert within_chance(share_right(questions, elsewhere), len(questions))
    assert within_chance(share_right(questions, rate), len(questions))


@pytest.mark.skipif(
    "ZHMCQ_DEMO_MODEL" not in os.environ, reason="ZHMCQ_DEMO_MODEL names no model folder"
)
def test_an_untrained_model_is_at_chance_without_the_passage() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = os.environ["ZHMCQ_DEMO_MODEL"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    questions = answered()[:160]
    right = 0
    for question in questions:
        prompt = tokenizer(f"問題：{question.stem}\n答案：")["input_ids"]
        means = []
        for option in question.options:
            text = tokenizer(f"{option}\n", add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([prompt + text])).logits[0, len(prompt) - 1 : -1]
            chosen = logits.log_softmax(-1).gather(1, torch.tensor(text)[:, None])
            means.append(float(chosen.mean()))
        right += question.options[means.index(max(means))] == key_of(question)
    assert within_chance(right / len(questions), len(questions))


# ------------------------------------------------------------------------------------ the workbook


def rows_of(path: Path) -> tuple[str, list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(path)
    (sheet,) = book.worksheets
    return sheet.title, list(sheet.iter_rows(values_only=True))


def test_the_workbook_holds_the_questions_and_says_that_they_are_synthetic(tmp_path: Path) -> None:
    with_keys, _ = write_sample(tmp_path / "new" / "sample.xlsx")
    title, rows = rows_of(with_keys)
    assert title == "訓練題"
    assert rows[0] == (
        *("題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4", "正確答案", "資料來源"),
    )
    first = answered()[0]
    assert rows[1] == (
        *("S001", first.passage, first.stem, *first.options, int(first.answer_label), SOURCE),
    )
    assert len(rows) == 451
    assert {row[8] for row in rows[1:]} == {"合成樣本（synthetic, made by zhmcq）"}


def test_the_second_workbook_has_no_keys(tmp_path: Path) -> None:
    _, without_keys = write_sample(tmp_path / "sample.xlsx")
    assert without_keys == tmp_path / "sample_unanswered.xlsx"
    title, rows = rows_of(without_keys)
    assert title == "作答題"
    assert rows[0] == (*("題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4", "資料來源"),)
    assert [row[0] for row in rows[1:]] == [f"U{number:03d}" for number in range(1, 41)]


def test_writing_again_replaces_the_files_with_the_same_bytes(tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "sample.xlsx")
    before = [path.read_bytes() for path in paths]
    paths[0].write_text("something else", encoding="utf-8")
    assert write_sample(tmp_path / "sample.xlsx") == paths
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_the_script_says_what_it_wrote(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "make_sample.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "s.xlsx"), "--seed", "5"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"written: {tmp_path / 's.xlsx'}",
        f"written: {tmp_path / 's_unanswered.xlsx'}",
    ]
