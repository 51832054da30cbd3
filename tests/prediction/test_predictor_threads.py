"""One predictor, many threads: every answer is one model's, and the journal says which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import zhmcq
from zhmcq.errors import OutputError, PredictionError
from zhmcq.prediction import Predictions
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    [
        Question(
            f"q{n}", f"第{n}題<|end|></s>？", ("甲", "乙", "丙"), f"文章{n // 2}。", answer=(0,)
        )
        for n in range(6)
    ]
)
THREADS = 8


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("threads") / "base", chat=True)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(max_steps=1, learning_rate=1e-2, disable_tqdm=True),
        prompt="zh-chat",
    )
    return trainer.train(BANK, None, tmp_path_factory.mktemp("threads") / "adapter").adapter_dir


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS + 1) as made:
        yield made


def scores(predictions: Predictions) -> list[tuple[float, ...]]:
    return [item.scores for item in predictions]


def test_answers_beside_an_exchange_of_adapters_are_one_models_and_the_journal_says_which(
    base: Path, adapter: Path, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    plain, tuned = zhmcq.MCQPredictor(base), zhmcq.MCQPredictor(base, adapter)
    expected = [scores(plain.predict(BANK)), scores(tuned.predict(BANK))]
    assert expected[0] != expected[1]
    shared, done = zhmcq.MCQPredictor(base), threading.Event()

    def answer(thread: int) -> list[tuple[Path, list[tuple[float, ...]]]]:
        paths = [tmp_path / f"{thread}-{number}" for number in range(4)]
        return [(path, scores(shared.predict(BANK, journal=path))) for path in paths]

    def exchange() -> int:
        count = 0
        while not done.is_set():
            shared.use_adapter((adapter, None)[count % 2])
            count += 1
        return count

    exchanged = pool.submit(exchange)
    try:
        answered = [item for items in pool.map(answer, range(THREADS)) for item in items]
    finally:
        done.set()
    assert exchanged.result(10) > 1
    seen = {0: 0, 1: 0}
    for path, found in answered:
        model = expected.index(found)
        seen[model] += 1
        assert scores((plain, tuned)[model].predict(BANK, journal=path)) == found
        with pytest.raises(PredictionError, match="of another run"):
            (tuned, plain)[model].predict(BANK, journal=path)
    assert all(seen.values())


def test_a_journal_of_another_dtype_waits_for_the_prediction_that_runs(
    base: Path, pool: ThreadPoolExecutor, tmp_path: Path, candidates: Callable[..., None]
) -> None:
    journals, expected = {}, {}
    for dtype in ("float32", "bfloat16"):
        journals[dtype] = tmp_path / dtype
        begun = zhmcq.MCQPredictor(base, dtype=dtype, batch_size=1)
        expected[dtype] = scores(begun.predict(BANK, journal=journals[dtype]))
        lines = journals[dtype].read_bytes().splitlines(keepends=True)
        journals[dtype].write_bytes(b"".join(lines[:2]))
    assert expected["float32"] != expected["bfloat16"]
    candidates("float32")
    predictor = zhmcq.MCQPredictor(base, batch_size=1)
    others: list[Future[Predictions]] = []

    def begin_another(done: int, total: int, _stage: str) -> None:
        if done < total and not others:
            others.append(pool.submit(predictor.predict, BANK, journal=journals["bfloat16"]))
            with pytest.raises(TimeoutError):
                others[0].result(0.3)
        if done == total:
            others.append(pool.submit(predictor.predict, BANK))
            with pytest.raises(TimeoutError):
                others[1].result(0.3)

    first = predictor.predict(BANK, journal=journals["float32"], progress=begin_another)
    assert scores(first) == expected["float32"]
    assert scores(others[0].result(30)) == expected["bfloat16"]
    assert scores(others[1].result(30)) in expected.values()
    for dtype, path in journals.items():
        head = path.read_text(encoding="ascii").splitlines()[0]
        assert f'"dtype": "{dtype}"' in head


def test_threads_with_journals_of_two_dtypes_all_get_theirs(
    base: Path, pool: ThreadPoolExecutor, tmp_path: Path, candidates: Callable[..., None]
) -> None:
    expected = {}
    heads = {}
    for dtype in ("float32", "bfloat16"):
        begun = zhmcq.MCQPredictor(base, dtype=dtype)
        expected[dtype] = scores(begun.predict(BANK, journal=tmp_path / dtype))
        heads[dtype] = (tmp_path / dtype).read_bytes().splitlines(keepends=True)[0]
    candidates("float32")
    predictor = zhmcq.MCQPredictor(base)
    answered = []
    for number, dtype in enumerate(["float32", "bfloat16"] * (THREADS // 2)):
        path = tmp_path / f"{number}"
        path.write_bytes(heads[dtype])
        answered.append((dtype, pool.submit(predictor.predict, BANK, journal=path)))
    for dtype, answer in answered:
        assert scores(answer.result(60)) == expected[dtype]


@pytest.mark.parametrize("other_name", ["journal", "link"])
def test_a_journal_belongs_to_one_prediction_at_a_time(
    base: Path, pool: ThreadPoolExecutor, tmp_path: Path, other_name: str
) -> None:
    predictor, journal = zhmcq.MCQPredictor(base), tmp_path / "journal"
    (tmp_path / "link").symlink_to(journal)

    def begin_another(done: int, _total: int, _stage: str) -> None:
        if done:
            return
        another = pool.submit(predictor.predict, BANK, journal=tmp_path / other_name)
        with pytest.raises(OutputError, match="another prediction is writing to the journal"):
            another.result(30)

    expected = scores(predictor.predict(BANK))
    assert scores(predictor.predict(BANK, journal=journal, progress=begin_another)) == expected
    assert len(journal.read_bytes().splitlines()) == len(BANK) + 1
    assert scores(predictor.predict(BANK, journal=tmp_path / other_name)) == expected
