"""MCQPredictor: in which dtype it answers, on which device, and on a quantised base model."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import zhmcq
from conftest import scaled
from zhmcq.errors import ModelError, PredictionError, SettingsError
from zhmcq.prediction import _answering_model as answering_module
from zhmcq.questions import Question, QuestionBank
from zhmcq.settings import GenerateSettings, QuantizationSettings

BANK = QuestionBank(
    [Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文章。", answer=(0,)) for n in range(2)]
)


def train(base: Path, out: Path, quantization: QuantizationSettings | None = None) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=2, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(max_steps=1, learning_rate=1e-2, disable_tqdm=True),
        quantization=quantization,
    )
    return trainer.train(BANK, None, out).adapter_dir


@pytest.fixture(scope="module")
def adapter(overflowing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(overflowing, tmp_path_factory.mktemp("dtype") / "adapter")


@pytest.fixture(scope="module")
def exact(overflowing: Path) -> zhmcq.MCQPredictor:
    return zhmcq.MCQPredictor(overflowing, dtype="float32")


@pytest.fixture(scope="module")
def broken(overflowing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scaled(overflowing, tmp_path_factory.mktemp("broken") / "model", float("nan"))


def scores(predictions: zhmcq.prediction.Predictions) -> list[tuple[float, ...]]:
    return [item.scores for item in predictions]


def test_the_first_prediction_finds_the_dtype_and_keeps_the_adapter(
    overflowing: Path,
    adapter: Path,
    exact: zhmcq.MCQPredictor,
    candidates: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    candidates("float16", "float32")
    exact.use_adapter(adapter)
    expected = scores(exact.predict(BANK))
    exact.use_adapter(None)
    predictor = zhmcq.MCQPredictor(overflowing, adapter)
    assert predictor.dtype == "float16"
    for _ in range(2):
        assert scores(predictor.predict(BANK)) == expected
        assert predictor.dtype == "float32"  # type: ignore[comparison-overlap]
    predictor.use_adapter(None)
    assert scores(predictor.predict(BANK)) == scores(exact.predict(BANK)) != expected
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line for line in lines if "loaded again in float32" in line] == lines
    assert len(lines) == 1


def test_replies_are_generated_in_a_dtype_that_works(
    overflowing: Path, exact: zhmcq.MCQPredictor, candidates: Callable[..., None]
) -> None:
    candidates("float16", "float32")
    mode = GenerateSettings(max_new_tokens=3)
    predictor = zhmcq.MCQPredictor(overflowing)
    assert list(predictor.predict(BANK, mode)) == list(exact.predict(BANK, mode))
    assert predictor.dtype == "float32"


def test_a_named_dtype_that_fails_is_an_error(overflowing: Path) -> None:
    predictor = zhmcq.MCQPredictor(overflowing, dtype="float16")
    for mode in ("score", "generate"):
        with pytest.raises(ModelError, match=r"dtype 'float16': .* Give dtype='float32'"):
            predictor.predict(BANK, mode)


@pytest.mark.parametrize("mode", ["score", GenerateSettings(constrain=True), "generate"])
def test_numbers_that_are_not_finite_in_float32_are_no_answer(
    broken: Path, candidates: Callable[..., None], mode: Any
) -> None:
    candidates("bfloat16", "float32")
    predictor = zhmcq.MCQPredictor(broken)
    with pytest.raises(PredictionError, match=r"q[01].*float32"):
        predictor.predict(BANK, mode)


def test_of_several_threads_all_answer_in_the_dtype_that_works(
    overflowing: Path, exact: zhmcq.MCQPredictor, candidates: Callable[..., None]
) -> None:
    candidates("float16", "float32")
    predictor = zhmcq.MCQPredictor(overflowing)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(predictor.predict, BANK) for _ in range(3)]
    expected = scores(exact.predict(BANK))
    assert [scores(answer.result()) for answer in answers] == [expected] * 3


def test_an_adapter_comes_and_goes_between_the_predictions_of_other_threads(
    overflowing: Path, adapter: Path, exact: zhmcq.MCQPredictor
) -> None:
    predictor = zhmcq.MCQPredictor(overflowing, adapter, dtype="float32")
    both = [scores(predictor.predict(BANK)), scores(exact.predict(BANK))]
    assert both[0] != both[1]
    started = threading.Event()
    changes: list[Future[None]] = []

    def detach() -> None:
        started.set()
        predictor.use_adapter(None)

    def watch(done: int, _total: int, _stage: str) -> None:
        if done or changes:
            return
        changes.append(pool.submit(detach))
        started.wait(5)
        time.sleep(0.2)  # time enough to change the model in the midst of it
        with pytest.raises(PredictionError, match="not in its progress function"):
            predictor.use_adapter(None)

    with ThreadPoolExecutor(1) as pool:
        assert scores(predictor.predict(BANK, progress=watch)) == both[0]
        changes[0].result(10)
        assert scores(predictor.predict(BANK)) == both[1]


def test_a_predictor_whose_model_cannot_be_loaded_anew_says_so(
    overflowing: Path, candidates: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates("float16", "float32")
    predictor = zhmcq.MCQPredictor(overflowing)

    def no_memory(*_arguments: Any, **_fields: Any) -> Any:
        raise ModelError("out of memory")

    monkeypatch.setattr(answering_module, "load_weights", no_memory)
    for message in ("out of memory", "could not be loaded in float32 and is no longer in memory"):
        with pytest.raises(ModelError, match=message):
            predictor.predict(BANK)
    with pytest.raises(ModelError, match="make a new MCQPredictor"):
        predictor.use_adapter(None)


def test_the_log_says_which_dtype_is_used(
    exact: zhmcq.MCQPredictor, overflowing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    predictor = zhmcq.MCQPredictor(overflowing)
    assert predictor.dtype == "float32"
    predictor.predict(BANK)
    predictor.predict(BANK)
    assert caplog.messages.count("the model computes in float32 on cpu") == 1


def test_a_cpu_that_is_fast_in_bf16_answers_in_it_with_an_adapter_in_float32(
    overflowing: Path,
    adapter: Path,
    exact: zhmcq.MCQPredictor,
    bf16_speed: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    bf16_speed(2.1)
    predictor = zhmcq.MCQPredictor(overflowing, adapter)  # which was trained in float32
    rounded = scores(predictor.predict(BANK))
    assert predictor.dtype == "bfloat16"
    line = "the model computes in bfloat16 on cpu: bf16 products are 2.1 times as fast as fp32 here"
    assert caplog.messages.count(line) == 1
    weights = {
        str(parameter.dtype)
        for name, parameter in predictor._answering.model.named_parameters()
        if "lora" in name
    }
    assert weights == {"torch.float32"}
    exact.use_adapter(adapter)
    expected = scores(exact.predict(BANK))
    exact.use_adapter(None)
    assert rounded != expected
    for values, others in zip(rounded, expected, strict=True):
        assert values == pytest.approx(others, abs=0.5)
        # Log-likelihoods are added up in fp32: hardly any of them is a number of bf16.
        assert [float(torch.tensor(v).bfloat16()) for v in values] != list(values)


def test_a_cpu_that_is_slow_in_bf16_answers_as_before(
    overflowing: Path, exact: zhmcq.MCQPredictor, bf16_speed: Callable[[float], None]
) -> None:
    bf16_speed(0.5)
    predictor = zhmcq.MCQPredictor(overflowing)
    assert scores(predictor.predict(BANK)) == scores(exact.predict(BANK))
    assert predictor.dtype == "float32"


# --- journals ----------------------------------------------------------------------------


def test_a_journal_is_continued_in_the_dtype_that_it_was_begun_in(
    overflowing: Path, tmp_path: Path, candidates: Callable[..., None]
) -> None:
    path = tmp_path / "journal.jsonl"
    begun = zhmcq.MCQPredictor(overflowing, dtype="bfloat16")
    expected = scores(begun.predict(BANK, journal=path))
    head, first, _ = path.read_text(encoding="ascii").splitlines()
    assert json.loads(head)["dtype"] == "bfloat16"
    path.write_text(f"{head}\n{first}\n", encoding="ascii")
    candidates("float16", "float32")
    predictor = zhmcq.MCQPredictor(overflowing)
    resumed = scores(predictor.predict(BANK, journal=path))
    for values, others in zip(resumed, expected, strict=True):
        assert values == pytest.approx(others, abs=1e-4)  # in another pass
    assert predictor.dtype == "bfloat16"
    named = zhmcq.MCQPredictor(overflowing, dtype="float32")
    before = path.read_bytes()
    message = (
        r"journal\.jsonl was begun in dtype 'bfloat16', and dtype='float32' was given: give "
        r"dtype='bfloat16' or 'auto'"
    )
    with pytest.raises(PredictionError, match=message):
        named.predict(BANK, journal=path)
    assert path.read_bytes() == before
    assert named.dtype == "float32"


def test_a_journal_goes_before_what_is_fast_here(
    overflowing: Path,
    exact: zhmcq.MCQPredictor,
    tmp_path: Path,
    bf16_speed: Callable[[float], None],
) -> None:
    path = tmp_path / "journal.jsonl"
    expected = scores(exact.predict(BANK, journal=path))
    bf16_speed(2.1)
    predictor = zhmcq.MCQPredictor(overflowing)
    assert predictor.dtype == "bfloat16"
    assert scores(predictor.predict(BANK, journal=path)) == expected
    assert predictor.dtype == "float32"  # type: ignore[comparison-overlap]


def test_a_journal_whose_dtype_fails_leaves_the_predictor_as_it_was(
    overflowing: Path, exact: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    exact.predict(BANK, journal=path)
    path.write_bytes(path.read_bytes().replace(b"float32", b"float16"))
    predictor = zhmcq.MCQPredictor(overflowing)
    with pytest.raises(ModelError, match=r"'float16': .* was computed in this dtype"):
        predictor.predict(BANK, journal=path)
    assert predictor.dtype == "float32"
    assert scores(predictor.predict(BANK)) == scores(exact.predict(BANK))


def test_a_journal_of_another_run_leaves_the_dtype_alone(
    overflowing: Path, exact: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    zhmcq.MCQPredictor(overflowing, dtype="bfloat16").predict(BANK[:1], journal=path)
    predictor = zhmcq.MCQPredictor(overflowing)
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict(BANK, journal=path)
    assert predictor.dtype == "float32"


@pytest.mark.parametrize(
    ("mode", "record", "expected"),
    [
        ("score", {"scores": [-1.0, -2.0]}, "expected finite scores of 3 candidates"),
        ("score", {"scores": [-1.0, float("nan"), -2.0]}, "expected finite scores of 3"),
        ("score", {"scores": [-1.0, float("-inf"), -2.0]}, "expected finite scores of 3"),
        ("score", {"scores": [-1.0, "-1", -2.0]}, "expected finite scores of 3"),
        ("score", {"scores": None}, "expected finite scores of 3"),
        ("score", {}, "expected finite scores of 3"),
        ("score", {"id": "q9", "scores": [-1.0, -1.0, -2.0]}, "expected the id of one of the q"),
        ("score", {"reply": "A", "candidate": 0}, "expected finite scores of 3"),
        ("choose", {"reply": "A", "candidate": 3}, "expected the index of one of 3 candidates"),
        ("choose", {"reply": "A", "candidate": -1}, "expected the index of one of 3 candidates"),
        ("choose", {"reply": "A", "candidate": True}, "expected the index of one of 3 candidates"),
        ("choose", {"reply": "A", "candidate": None}, "expected the index of one of 3 candidates"),
        ("choose", {"reply": 3, "candidate": 0}, "expected a reply, which is a text"),
        ("reply", {"reply": "A", "candidate": 0}, "expected no candidate for a free reply"),
        ("reply", {"reply": None, "candidate": None}, "expected a reply, which is a text"),
        ("reply", {"reply": "A"}, "expected a reply, which is a text, and a candidate"),
    ],
)
def test_a_record_that_is_no_answer_is_refused_with_its_line(
    exact: zhmcq.MCQPredictor, tmp_path: Path, mode: str, record: dict[str, Any], expected: str
) -> None:
    settings: dict[str, Any] = {
        "score": "score",
        "choose": GenerateSettings(constrain=True),
        "reply": GenerateSettings(max_new_tokens=2),
    }
    path = tmp_path / "journal.jsonl"
    exact.predict(BANK, settings[mode], journal=path)
    lines = path.read_text(encoding="ascii").splitlines()
    lines[2] = json.dumps({"id": "q1", **record})
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    with pytest.raises(PredictionError, match=rf"journal\.jsonl, line 3: {expected}.*remove the"):
        exact.predict(BANK, settings[mode], journal=path)


# --- device, quantisation and other arguments ---------------------------------------------


@pytest.mark.parametrize(
    ("argument", "values", "message"),
    [
        ("device", ["gpu", "cuda", 0], "device="),
        ("dtype", ["fp16", None], "dtype=.*: expected one of"),
        ("batch_size", [0, -1, "4", True, 2.0, None], r"batch_size=.*: expected a whole number"),
        ("max_length", [0, "4", True, 9.5], r"max_length=.*: expected a whole number"),
        ("adapter", [3, b"x"], r"adapter=.*: expected the path of an adapter"),
        ("quantization", ["nf4", 4, True], r"quantization=.*: expected QuantizationSettings"),
    ],
)
def test_a_wrong_argument_is_refused_before_the_model_is_loaded(
    argument: str, values: list[Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for value in values:
        with pytest.raises(SettingsError, match=message):
            zhmcq.MCQPredictor("no-such-folder", **{argument: value})


def test_a_model_that_is_no_path_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"model=3\): expected a path or a name"):
        zhmcq.MCQPredictor(3)  # type: ignore[arg-type]


def test_another_adapter_argument_changes_nothing(exact: zhmcq.MCQPredictor) -> None:
    before = scores(exact.predict(BANK))
    with pytest.raises(SettingsError, match="adapter=3: expected the path of an adapter"):
        exact.use_adapter(3)  # type: ignore[arg-type]
    assert scores(exact.predict(BANK)) == before


def test_a_user_of_a_machine_with_a_gpu_may_answer_on_the_cpu(
    overflowing: Path, exact: zhmcq.MCQPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(exact.predict(BANK))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    predictor = zhmcq.MCQPredictor(overflowing, device="cpu")
    monkeypatch.undo()
    assert scores(predictor.predict(BANK)) == expected


def test_who_needed_four_bits_to_train_can_predict(
    exact: zhmcq.MCQPredictor, overflowing: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("bitsandbytes")
    four = QuantizationSettings()
    trained = train(overflowing, tmp_path / "adapter", four)
    predictor = zhmcq.MCQPredictor(overflowing, quantization=four)
    plain = scores(predictor.predict(BANK))
    assert plain != scores(exact.predict(BANK))
    caplog.clear()
    predictor.use_adapter(trained)
    tuned = scores(predictor.predict(BANK, journal=tmp_path / "journal"))
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == []
    assert tuned != plain
    predictor.use_adapter(None)
    assert scores(predictor.predict(BANK)) == plain

    full = zhmcq.MCQPredictor(overflowing, trained)
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "was trained on a quantised (nf4) base model and is used on a full-precision" in line
    assert line.endswith("quantization=QuantizationSettings(kind='nf4', double_quant=True))")
    with pytest.raises(PredictionError, match="of another run"):
        full.predict(BANK, journal=tmp_path / "journal")
