"""Training as peers do it, with the settings that ``LoraTrainer`` has."""

from __future__ import annotations

import tempfile
from typing import Any, cast

from prefix_tree.encoded_job import JobQuestion, job_questions, supervised_tokens
from prefix_tree.meter import StepClock
from prefix_tree.plan import MAX_LENGTH, QUESTIONS_PER_STEP, SEED, Job
from zhmcq import LoraSettings
from zhmcq.modeling import ModelSource, load_model
from zhmcq.settings import DtypeName
from zhmcq.training._lora import lora_config

__all__ = ["padded", "trl"]


def trl(job: Job, supervised_only: bool = False) -> dict[str, Any]:
    """Train with TRL's ``SFTTrainer``: completion-only loss, sequences of like length batched.

    TRL's default of gradient checkpointing is turned off, since it saves memory for time. Its
    default of bf16 autocast is on in bf16 and off in fp32; the base model's weights are in the
    dtype itself, so that autocast does not convert them in every pass.

    Args:
        job: What to train on.
        supervised_only: Project only supervised positions through the output head. TRL has the
            code for it, but takes it only where Triton runs (CUDA, XPU): ``_fused_forward`` in
            ``trl/trainer/utils.py`` asks ``_use_triton(device)``, and else scores every position
            (to keep its tiles' shapes fixed for compilers). Saying yes there is all it takes:
            the kernel itself asks again for its own, and folds its tiles in torch.
    """
    import trl.trainer.utils
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    if supervised_only:
        trl.trainer.utils._use_triton = lambda _device: True
    model, tokenizer = load_model(ModelSource(job.model), dtype=cast("DtypeName", job.dtype))
    questions = job_questions(job, tokenizer)
    rows = [{"prompt": one.prompt, "completion": one.answer} for one in questions]
    clock = StepClock(supervised_only=supervised_only)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                **_shared_arguments(job, folder),
                max_length=MAX_LENGTH["train"],
                completion_only_loss=True,
                train_sampling_strategy="group_by_length",
                gradient_checkpointing=False,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=lora_config(LoraSettings()),
            callbacks=[clock],
        )
        trainer.train()
    return _record(trainer, clock, questions)


def padded(job: Job) -> dict[str, Any]:
    """Train with transformers' ``Trainer`` on sequences that are all padded to the limit."""
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments

    model, tokenizer = load_model(ModelSource(job.model), dtype=cast("DtypeName", job.dtype))
    questions = job_questions(job, tokenizer)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=get_peft_model(model, lora_config(LoraSettings())),
            args=TrainingArguments(**_shared_arguments(job, folder)),
            train_dataset=[_padded(one, tokenizer) for one in questions],
            callbacks=[clock],
        )
        trainer.train()
    return _record(trainer, clock, questions)


def _shared_arguments(job: Job, folder: str) -> dict[str, Any]:
    """What ``TrainingSettings`` would set, by transformers' names."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": job.batch,
        "gradient_accumulation_steps": QUESTIONS_PER_STEP // job.batch,
        "num_train_epochs": 1,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "linear",
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": SEED,
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": job.dtype == "bfloat16",
    }


def _padded(one: JobQuestion, tokenizer: Any) -> dict[str, list[int]]:
    answer = list(one.encoded.candidates[one.encoded.target or 0])
    ids = [*one.encoded.prompt, *answer]
    rest = MAX_LENGTH["train"] - len(ids)
    return {
        "input_ids": ids + [tokenizer.pad_token_id or 0] * rest,
        "attention_mask": [1] * len(ids) + [0] * rest,
        "labels": [-100] * len(one.encoded.prompt) + answer + [-100] * rest,
    }


def _record(trainer: Any, clock: StepClock, questions: list[JobQuestion]) -> dict[str, Any]:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        **clock.to_record(),
        "given": supervised_tokens(questions),
        "loss": sum(losses) / len(losses),
    }
