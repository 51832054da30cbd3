r"""Train an adapter, by one process or by several.

One process::

    python examples/train.py --train AI.xlsx --base-model FOLDER

Several on one machine's GPUs, each with a share of every step's questions::

    accelerate launch --multi_gpu --num_processes 2 examples/train.py --train AI.xlsx \
        --base-model FOLDER

Several on a CPU: give ``--cpu`` as well. ``--multi_gpu`` is then what makes accelerate start more
than one process, and no GPU is used.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import zhmcq
import zhmcq.training


def main() -> int:
    """Run it; 0 if all went well, 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--train", type=Path, required=True, help="a workbook of questions with keys")
    add("--test", type=Path, help="questions with keys to measure the adapter on, for its card")
    add("--base-model", required=True, help="a folder, a .gguf file or a hub id")
    add("--output-dir", type=Path, default=Path("lora_finetuned_model"))
    add("--prompt", default="zh-exam", help="how questions are rendered")
    add("--per-process", type=int, default=8, help="questions of each process in a step")
    add("--epochs", type=float, default=2)
    add("--cpu", action="store_true", help="stay on the CPU")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        train(options)
    except zhmcq.errors.ZhmcqError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def train(options: argparse.Namespace) -> None:
    """Split by passage, train, and print how the best adapter answers the validation questions."""
    builder = zhmcq.DatasetBuilder(valid_fraction=0.1)
    splits = builder.split(builder.read(options.train))
    trainer = zhmcq.LoraTrainer(
        options.base_model,
        training=zhmcq.TrainingSettings(
            gradient_accumulation_steps=options.per_process,
            num_train_epochs=options.epochs,
            use_cpu=options.cpu,
        ),
        prompt=options.prompt,
    )
    result = trainer.train(splits.train, splits.valid, options.output_dir)
    if is_first_process():  # every process has the result; the first prints it
        sys.stdout.write(
            f"{splits}\n"
            f"step {result.best_step} of {result.steps} is kept: {result.accuracy:.1%} of "
            f"{len(splits.valid)} validation questions right; the adapter is in "
            f"{result.adapter_dir}\n"
        )
    if options.test:
        measure(options, result, builder.read(options.test))


def measure(
    options: argparse.Namespace, result: zhmcq.training.TrainingResult, test: zhmcq.QuestionBank
) -> None:
    """Answer questions that had no part in the training; the figures go to the model card.

    Several processes answer them together, so each of them has to come here.
    """
    predictor = zhmcq.MCQPredictor(
        options.base_model, adapter=result.adapter_dir, device="cpu" if options.cpu else None
    )
    evaluation = predictor.predict(test).evaluate()
    if is_first_process():
        card = result.add_evaluation(evaluation, data=options.test.name)
        sys.stdout.write(f"{evaluation}; added to {card}\n")


def is_first_process() -> bool:
    """Whether this process is the first of those that a launcher started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    sys.exit(main())
