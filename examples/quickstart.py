r"""The complete path in one command: build, train, evaluate, merge, check, answer.

Without arguments it makes the synthetic sample and uses the demo model (``zhmcq[demo]``). With
your own files, of which it trains on 1,200 questions::

    python examples/quickstart.py --train AI.xlsx --predict AI1000.xlsx --limit 1200 \
        --output-dir my-run

With a larger model::

    python examples/quickstart.py --train AI.xlsx --predict AI1000.xlsx --output-dir my-run \
        --base-model lianghsun/Llama-3.2-Taiwan-3B-Instruct --prompt zh-exam \
        --objective next_token --learning-rate 1e-4

The environment variable ``ZHMCQ_LANG=zh`` has it print in Traditional Chinese.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import zhmcq
from make_sample import write_sample
from zhmcq.questions import QuestionBank
from zhmcq.training import TrainingResult

console = Console(highlight=False)

SAMPLE = ("sample.xlsx", "sample_unanswered.xlsx")
UNFINISHED = {*SAMPLE, "data", "adapter"}  # what a run leaves that did not finish its adapter


def say(english: str, chinese: str) -> str:
    """One of both, by the variable that zhmcq's own lines go by."""
    return chinese if os.environ.get("ZHMCQ_LANG", "").strip().startswith("zh") else english


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    options = parse_arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        run(options)
    except zhmcq.errors.ZhmcqError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--train", type=Path, help="questions with keys (default: a synthetic sample)")
    add("--predict", type=Path, help="questions to answer (default: the sample's)")
    add("--base-model", help="folder, .gguf file or hub id (default: the demo model)")
    add("--prompt", default="zh-cloze", help="the prompt (default: zh-cloze, for base models)")
    add("--objective", default="contrastive", choices=["contrastive", "next_token"])
    add("--epochs", type=float, default=1.0)
    add("--learning-rate", type=float, default=5e-4)
    add("--limit", type=int, help="train on this many questions at most, and answer this many")
    add("--valid", type=int, default=120, help="validation questions, at most")
    add("--output-dir", type=Path, default=Path("quickstart-run"))
    add("--overwrite", action="store_true", help="replace an earlier run in the output folder")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Every step, each with the time it took."""
    start = time.perf_counter()
    out: Path = options.output_dir
    refuse_earlier_run(out, options.overwrite)
    train_file, predict_file = files(options, out)
    # More validation questions make narrower intervals. Of the sample 133 questions are drawn, of
    # which --valid takes 120.
    builder = zhmcq.DatasetBuilder(valid_fraction=0.27 if options.train is None else 0.1)
    with step(say("base model", "基礎模型")):
        base_model = options.base_model or str(zhmcq.demo_model())
    with step(say("data set", "資料集")):
        train, validation = build_data_set(options, builder, train_file)
    with step(say("base model's answers", "基礎模型的答案")):
        base = zhmcq.MCQPredictor(base_model, prompt=options.prompt).predict(validation)
        figures = base.evaluate()
        console.print(
            say(
                f"with the prompt {options.prompt!r}, the base model is {figures}",
                f"使用提示詞 {options.prompt!r}，基礎模型：{figures}",
            )
        )
    with step(say("training", "訓練")):
        result = fine_tune(options, base_model, train, validation)
    with step(say("evaluation", "評估")):
        tuned = zhmcq.MCQPredictor(base_model, adapter=result.adapter_dir).predict(validation)
        comparison = zhmcq.compare(base, tuned)
        comparison.to_html(out / "report.html")
        result.add_evaluation(comparison, data=f"validation questions of {train_file.name}")
        show_evaluation(comparison)
    with step(say("merge", "合併")):
        adapter = result.adapter_dir
        merged = merge(adapter, validation, out / "merged", options.overwrite)
    with step(say("answers", "作答")):
        predictor = zhmcq.MCQPredictor(merged)
        questions = builder.read(predict_file)
        show_problems(questions)
        answer(predictor, questions[: options.limit], out)
    seconds = f"{time.perf_counter() - start:.0f}"
    console.print(say(f"{seconds} s in all", f"總共 {seconds} 秒") + peak_memory())
    names = "data/, adapter/, merged/, predictions.xlsx, submission.csv, report.html"
    console.print(say(f"Written to {out}: {names}", f"寫到 {out}：{names}"), markup=False)


def build_data_set(
    options: argparse.Namespace, builder: zhmcq.DatasetBuilder, train_file: Path
) -> tuple[QuestionBank, QuestionBank]:
    """Read, split by passage and save; the questions to train on and those of validation."""
    bank = builder.read(train_file)
    splits = builder.split(bank)
    # Only what an earlier call has saved there is replaced.
    splits.save(options.output_dir / "data", prompt=options.prompt, overwrite=True)
    show_problems(bank)
    train = splits.train if options.limit is None else of_passages(splits.train, options.limit)
    validation = splits.valid.sample(options.valid)
    console.print(say(f"split: {splits}", f"切分：{splits}"))
    console.print(
        say(
            f"{len(bank)} questions: {len(train)} to train on, {len(validation)} for validation "
            "(no passage is in both)",
            f"{len(bank)} 題：{len(train)} 題用於訓練，{len(validation)} 題用於驗證"
            "（同一篇文章不會同時出現在兩邊）",
        )
    )
    return train, validation


def of_passages(bank: QuestionBank, count: int) -> QuestionBank:
    """Questions of passages drawn by chance, each passage with all of its questions but the last.

    What the questions of a passage share is computed once: as many questions drawn one by one
    would be of more passages, and take longer.
    """
    by_passage: dict[str | int, list[int]] = {}
    for index, question in enumerate(bank):
        by_passage.setdefault(question.passage or index, []).append(index)
    passages = list(by_passage.values())
    random.Random(42).shuffle(passages)
    return bank.select(sorted(list(chain.from_iterable(passages))[:count]))


def fine_tune(
    options: argparse.Namespace, base_model: str, train: QuestionBank, validation: QuestionBank
) -> TrainingResult:
    """Train an adapter."""
    trainer = zhmcq.LoraTrainer(
        base_model,
        lora=zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            objective=options.objective,
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=4,
        ),
        prompt=options.prompt,
    )
    # They choose the best adapter of several epochs, and fit what its confidences are worth.
    folder = options.output_dir / "adapter"
    result = trainer.train(train, validation, folder, overwrite=options.overwrite)
    given, computed = f"{result.tokens_given:,}", f"{result.tokens_computed:,}"
    speed = f"{result.questions_per_second:.2f}"
    console.print(
        say(
            f"{result.steps} steps, {speed} questions/s; {given} tokens given, {computed} computed",
            f"{result.steps} 步，每秒 {speed} 題；給定 {given} 個 token，實際計算 {computed} 個",
        )
    )
    return result


def merge(adapter: Path, validation: QuestionBank, folder: Path, overwrite: bool) -> Path:
    """Merge the adapter into the base model and verify it; the merged model's folder."""
    merged = zhmcq.Merger().merge(adapter, folder, verify_with=validation[:40], overwrite=overwrite)
    difference = f"{merged.max_logit_difference:.1e}"
    console.print(
        say(
            f"{merged.answer_flips} of {merged.verified} answers changed by merging; "
            f"largest logit difference {difference}",
            f"{merged.verified} 個答案中，有 {merged.answer_flips} 個因合併而改變；"
            f"logit 最大差異 {difference}",
        )
    )
    return merged.output_dir


def answer(predictor: zhmcq.MCQPredictor, questions: QuestionBank, out: Path) -> None:
    """Answer questions and write the answers."""
    answers = predictor.predict(questions)
    answers.to_xlsx(out / "predictions.xlsx")
    answers.to_csv(out / "submission.csv")
    none = say("none", "未作答")
    shares = ", ".join(f"{label or none}: {n}" for label, n in answers.answer_counts().items())
    console.print(
        say(f"{len(answers)} questions answered ({shares})", f"作答 {len(answers)} 題（{shares}）")
    )


def peak_memory() -> str:
    """The peak of the process's memory, on systems that report it in kilobytes."""
    if sys.platform != "linux":
        return ""
    import resource

    gigabytes = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}"
    return say(f", {gigabytes} GB of memory at most", f"，最多用 {gigabytes} GB 記憶體")


def files(options: argparse.Namespace, out: Path) -> tuple[Path, Path]:
    """The files to train on and to answer."""
    if options.train is None:
        console.print(
            say(
                "No --train given: a synthetic sample is made, and marked as such.",
                "沒有給 --train：產生合成的題庫，並註明是合成的。",
            )
        )
        sample, unanswered = (out / name for name in SAMPLE)
        if options.overwrite or not (sample.exists() and unanswered.exists()):
            write_sample(sample)
        return sample, options.predict or unanswered
    if options.predict is None:
        raise zhmcq.errors.ReadError(
            "expected --predict with the file to answer when --train is given; found none"
        )
    return options.train, options.predict


def refuse_earlier_run(out: Path, overwrite: bool) -> None:
    """Refuse a folder in use before anything is written, rather than after minutes of work.

    A run that ended before its adapter was finished, as without a base model, is none: it goes on.
    """
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    finished = (out / "adapter" / "zhmcq_manifest.json").exists()
    if not overwrite and (finished or names - UNFINISHED):
        raise zhmcq.errors.OutputExistsError(
            f"{out} holds an earlier run: give another --output-dir, or --overwrite to replace it"
        )
    out.mkdir(parents=True, exist_ok=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step, and the seconds it took."""
    console.rule(name, align="left", style="dim")
    start = time.perf_counter()
    yield
    seconds = f"{time.perf_counter() - start:.1f}"
    console.print(f"[dim]{seconds} {say('s', '秒')}[/dim]")


def show_problems(bank: QuestionBank) -> None:
    """Which rows could not be used, and why."""
    if not bank.problems:
        return
    table = Table(
        *(say("problem", "代碼"), say("severity", "程度"), say("rows", "列數")),
        *(say("first row", "第一列"), say("what is wrong there", "說明")),
    )
    counts = Counter((problem.code, problem.severity) for problem in bank.problems)
    for (code, severity), count in counts.most_common():
        first = next(p for p in bank.problems if (p.code, p.severity) == (code, severity))
        table.add_row(code, severity, f"{count:,}", str(first.row), escape(first.message))
    console.print(table)


def show_evaluation(comparison: zhmcq.evaluation.Comparison) -> None:
    """Base and tuned model on the validation questions."""
    table = Table(
        *(say("validation", "驗證集"), say("right", "答對"), say("accuracy", "正確率")),
        *(say("95 % interval", "95% 信賴區間"), say("answers", "答案")),
    )
    sides = {say("base", "微調前"): comparison.base, say("tuned", "微調後"): comparison.tuned}
    for name, side in sides.items():
        low, high = side.interval
        answers = " ".join(f"{label}:{count}" for label, count in side.answers.items())
        table.add_row(
            name,
            f"{side.correct}/{side.count}",
            f"{side.accuracy:.1%}",
            f"{low:.1%} – {high:.1%}",
            answers,
        )
    console.print(table)
    low, high = comparison.interval
    difference, p_value = f"{comparison.difference:+.1%}", f"{comparison.p_value:.2g}"
    console.print(
        say(
            f"difference {difference} (95 % interval {low:+.1%} to {high:+.1%}), "
            f"sign-flip p = {p_value}",
            f"差異 {difference}（95% 信賴區間 {low:+.1%} – {high:+.1%}），"
            f"符號翻轉檢定 p = {p_value}",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
