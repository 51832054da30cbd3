"""LoraTrainer: from a base model and questions to an adapter that is worth keeping."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from zhmcq.encoding.encode import EncodedQuestion, Encoder
from zhmcq.errors import PreflightError, PromptMismatchError, SettingsError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling.load import (
    ModelSource,
    choose_dtype,
    load_model,
    load_skeleton,
    load_tokenizer,
    quantization_config,
)
from zhmcq.modeling.scoring import ScoringEngine
from zhmcq.prompts import Prompt, describe_prompt, get_prompt, recall_prompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.settings import LoraSettings, QuantizationSettings, TrainingSettings
from zhmcq.training.arguments import training_arguments
from zhmcq.training.best import BestAdapter
from zhmcq.training.card import model_card
from zhmcq.training.epochs import ShuffledEpochs
from zhmcq.training.estimate import estimate_memory, estimate_run
from zhmcq.training.folder import (
    CHECKPOINTS,
    begin_run,
    check_resume,
    how_to_go_on,
    locked_output,
    refuse_finished,
    save_adapter,
)
from zhmcq.training.lora import (
    attach_adapter,
    lora_config,
    make_optimizer,
    refuse_unknown_layers,
    save_initial_weights,
)
from zhmcq.training.preflight import PreflightReport, check_questions, preflight
from zhmcq.training.record import adapter_manifest, run_record
from zhmcq.training.result import TrainingResult

__all__ = ["LoraTrainer"]

logger = logging.getLogger(__name__)

DEFAULT_BASE_MODEL = "lianghsun/Llama-3.2-Taiwan-3B-Instruct"
BEST = "best"
START = "start"  # a new adapter's first weights, where they are taken from the base model's


class LoraTrainer:
    """Trains a LoRA adapter on questions.

    Args:
        base_model: A hub id, a folder or a ``.gguf`` file.
        lora: LoRA settings; the recipe's by default.
        training: Settings of the run; the recipe's by default.
        quantization: Load the base model in 4 or 8 bits.
        prompt: How questions are asked: a registered name or an instance.
        token: A hub access token, for gated models.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the base model's author put beside the weights.
        callbacks: transformers ``TrainerCallback`` objects, for progress or logging.

    Raises:
        SettingsError: If a setting's name or value is wrong.
        UnknownNameError: If there is no prompt of that name.
    """

    def __init__(
        self,
        base_model: str | Path = DEFAULT_BASE_MODEL,
        *,
        lora: LoraSettings | None = None,
        training: TrainingSettings | None = None,
        quantization: QuantizationSettings | None = None,
        prompt: str | Prompt = "zh-exam",
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
        callbacks: Sequence[Any] = (),
    ) -> None:
        self.source = ModelSource(str(base_model), token, local_files_only, trust_remote_code)
        self.lora = lora or LoraSettings()
        self.training = training or TrainingSettings()
        self.quantization = quantization
        self.prompt = prompt
        self.callbacks = list(callbacks)
        self._template = get_prompt(prompt)
        lora_config(self.lora)  # refuses what peft would refuse
        if quantization is not None and self.lora.changes_base:
            raise SettingsError(
                f"LoraSettings(init_lora_weights={self.lora.init_lora_weights!r}) takes the "
                "adapter's first weights out of the base model's, which a quantised base cannot "
                "give exactly: leave it out, or train without quantization"
            )
        training_arguments(self.training, "unused")  # refuses now, not after a long download

    def preflight(
        self, train: Sequence[Question], valid: Sequence[Question] = ()
    ) -> PreflightReport:
        """Check what training would teach and take, without loading the model's weights.

        Args:
            train: Questions with keys.
            valid: Held-out questions with keys.

        Returns:
            The report; ``print`` shows it. Its memory is that of an unquantised base model.

        Raises:
            ModelError: If the tokenizer or the model's configuration cannot be loaded.
        """
        encoder = self._encoder(load_tokenizer(self.source))
        encoded, _, report = self._inspect(encoder, train, valid)
        if not encoded:
            return report
        run = estimate_run(encoded, self.training)
        skeleton = load_skeleton(self.source, dtype=self.training.dtype)
        model = attach_adapter(skeleton, self.lora, initialised=False)
        return replace(report, run=replace(run, memory=estimate_memory(model, self.training, run)))

    def _inspect(
        self, encoder: Encoder, train: Sequence[Question], valid: Sequence[Question]
    ) -> tuple[list[EncodedQuestion], list[EncodedQuestion], PreflightReport]:
        """Encode both parts and check them; a held-out key need not be unique."""
        asker = self._asker()
        encoded, findings = check_questions(train, encoder, asker)
        held_out, others = check_questions(valid, encoder, asker)
        findings += [
            replace(one, reason=f"validation {one.reason}")
            for one in others
            if one.rule != "answer_not_unique"
        ]
        report = preflight(encoded, held_out, findings, (len(train), len(valid)), encoder.codec)
        return encoded, held_out, report

    def _asker(self) -> Prompt:
        """The prompt as an adapter's user will have it: made anew from what is remembered."""
        record = describe_prompt(self.prompt)
        try:
            return recall_prompt(record["name"], record["options"], record["sha256"])
        except PromptMismatchError as error:
            logger.warning("merging and predicting will need the prompt once more: %s", error)
            return self._template

    def train(
        self,
        train: Sequence[Question],
        valid: Sequence[Question] | None = None,
        output_dir: str | Path = "lora_finetuned_model",
        *,
        overwrite: bool = False,
        resume: str | bool = "auto",
    ) -> TrainingResult:
        """Train, keep the adapter that answers the validation questions best, and save it.

        Args:
            train: Questions with keys.
            valid: Held-out questions with keys, best of other passages. Without them the last
                adapter is kept.
            output_dir: Where the adapter, its tokenizer and manifest go; checkpoints lie in
                ``checkpoints/`` below it.
            overwrite: Start anew where another run is.
            resume: ``"auto"`` goes on with an interrupted run of the same settings, data and
                number of processes; ``False`` never does; ``True`` insists on it.

        Returns:
            What the run came to; the model itself is in ``output_dir``.

        Raises:
            SettingsError: If ``resume`` is none of these, or contradicts ``overwrite``; if stopping
                early is asked for without validation questions; if the model lacks a layer that
                is to be adapted.
            PreflightError: If questions would teach the model nonsense.
            OutputExistsError: If ``output_dir`` holds a finished run, or other files.
            OutputError: If another run is writing to it.
            CheckpointError: If the run cannot be resumed as asked.
            ModelError: If the base model cannot be loaded.
            TrainingError: If a loss, gradient, weight or score is not finite.
            KeyboardInterrupt: After Ctrl-C, once a checkpoint is saved; it says how to go on.
        """
        check_resume(resume, overwrite)
        out = Path(output_dir)
        valid = valid if valid is not None else QuestionBank([])
        # Made first: under a launcher it joins the processes and gives each its device.
        args = training_arguments(self.training, str(out / CHECKPOINTS), evaluate=bool(valid))
        with contextlib.ExitStack() as stack:
            if args.process_index == 0:
                refuse_finished(out, overwrite)
                stack.enter_context(locked_output(out))
            return self._train(train, valid, out, args, overwrite, resume)

    def _train(
        self,
        train: Sequence[Question],
        valid: Sequence[Question],
        out: Path,
        args: Any,
        overwrite: bool,
        resume: str | bool,
    ) -> TrainingResult:
        device = args.device
        dtype = self.training.dtype
        compute = choose_dtype(device) if dtype == "auto" else getattr(torch, dtype)
        quantization = (
            quantization_config(self.quantization, compute) if self.quantization else None
        )
        model, tokenizer = load_model(
            self.source, dtype=dtype, device=device, quantization=quantization
        )
        encoder = self._encoder(tokenizer)
        encoded, held_out, report = self._inspect(encoder, train, valid)
        report.raise_if_broken()
        if not encoded:
            raise PreflightError("expected training questions, found none")
        refuse_unknown_layers(model, self.lora)
        shuffled = None
        if self.training.shuffle_options:
            shuffled = ShuffledEpochs(train, encoded, encoder, self.training.seed)
            shuffled.log_what_changes()
        identity = self.source.identity()
        record = run_record(
            identity,
            describe_prompt(self.prompt),
            self.lora,
            self.training,
            self.quantization,
            (encoded, held_out),
            (args.world_size, device.type, str(compute).removeprefix("torch.")),
        )
        checkpoint: list[Path | None] = [None]
        if args.process_index == 0:
            checkpoint = [begin_run(out, record, overwrite=overwrite, resume=resume)]
        broadcast_object_list(checkpoint)
        return self._run(
            model,
            tokenizer,
            encoded,
            held_out,
            out,
            args,
            identity,
            record,
            checkpoint[0],
            report,
            shuffled,
            how_to_go_on(overwrite, resume),
        )

    def _encoder(self, tokenizer: Any) -> Encoder:
        return Encoder(tokenizer, self._template, self.training.max_length)

    def _run(
        self,
        model: Any,
        tokenizer: Any,
        train: list[EncodedQuestion],
        valid: list[EncodedQuestion],
        out: Path,
        args: Any,
        identity: BaseIdentity,
        record: dict[str, Any],
        checkpoint: Path | None,
        report: PreflightReport,
        shuffled: ShuffledEpochs | None,
        go_on: str,
    ) -> TrainingResult:
        from transformers import set_seed

        from zhmcq.training.stopping import StopEarly
        from zhmcq.training.trainer import PackedTrainer
        from zhmcq.training.watch import (
            StopOnInterrupt,
            TimedSteps,
            refuse_spoilt_weights,
            resuming,
        )

        settings = self.training
        set_seed(settings.seed)
        peft_model = attach_adapter(model, self.lora)
        start_dir = out / CHECKPOINTS / START
        if self.lora.changes_base and args.process_index == 0:
            save_initial_weights(peft_model, start_dir)
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        engine = ScoringEngine(
            peft_model,
            pad_id,
            settings.packing,
            settings.eval_budget,
        )
        best = BestAdapter(out / CHECKPOINTS / BEST, settings.valid_metric, peft_model)
        packing = engine.resolve(train)
        run = estimate_run(train, settings.model_copy(update={"packing": packing}), args.world_size)
        report = replace(
            report, run=replace(run, memory=estimate_memory(peft_model, settings, run))
        )
        if args.process_index == 0:
            logger.info("preflight: %s", report)
        patience = settings.early_stopping_patience
        trainer = PackedTrainer(
            model=peft_model,
            args=args,
            processing_class=tokenizer,
            callbacks=[*self.callbacks, TimedSteps()],
            optimizers=(make_optimizer(peft_model, args, self.lora), None),
            train_questions=train,
            asked_in=shuffled or (lambda epoch: train),  # noqa: ARG005
            valid_questions=valid,
            objective=settings.objective,
            packing=packing,
            budget=settings.train_budget,
            engine=engine,
            on_evaluated=best.consider,
            stop=StopEarly(patience, settings.valid_metric) if patience else None,
            questions_per_step=settings.questions_per_step,
        )
        start = time.perf_counter()
        with StopOnInterrupt(trainer, go_on), resuming(checkpoint):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        seconds = time.perf_counter() - start - engine.stats.seconds
        step, metrics = best.restore() if valid else (trainer.state.global_step, {})
        refuse_spoilt_weights(peft_model, step)
        outcome = {
            "steps": trainer.state.global_step,
            "best_step": step,
            "metrics": metrics,
            "questions": len(train),
            "held_out_questions": len(valid),
        }
        manifest = adapter_manifest(record, identity, settings.max_length, outcome)
        if trainer.is_world_process_zero():
            save_adapter(
                out,
                peft_model,
                tokenizer,
                manifest,
                model_card(manifest, report),
                start_dir if self.lora.changes_base else None,
            )
        trainer.accelerator.wait_for_everyone()
        peft_model.config.use_cache = True  # transformers' Trainer turned it off
        return TrainingResult(
            adapter_dir=out,
            accuracy=metrics.get("accuracy"),
            steps=trainer.state.global_step,
            best_step=step,
            history=trainer.state.log_history,
            questions_per_second=trainer.questions_seen * args.world_size / seconds,
            tokens_given=trainer.tokens_given,
            tokens_computed=trainer.tokens_computed,
            preflight=report,
        )
