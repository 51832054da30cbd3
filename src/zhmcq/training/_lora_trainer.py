"""LoraTrainer: from a base model and questions to an adapter that is worth keeping."""

from __future__ import annotations

import contextlib
import datetime
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object

from zhmcq._phrases import records
from zhmcq._progress import Progress, current_progress, reporting, require_progress
from zhmcq.cards._card import model_card
from zhmcq.checks import fingerprints
from zhmcq.encoding import EncodedQuestion, Encoder, _chat
from zhmcq.errors import PreflightError, PromptMismatchError, SettingsError
from zhmcq.evaluation import clusters_of
from zhmcq.manifest import SeenQuestions
from zhmcq.modeling._device import choose_device, dtype_name
from zhmcq.modeling._dtype import DtypeChoice, load_proven
from zhmcq.modeling._forward import base_of, model_dtype
from zhmcq.modeling._layout import choose_layout
from zhmcq.modeling._load import (
    ModelSource,
    load_config,
    load_skeleton,
    load_tokenizer,
    quantization_config,
)
from zhmcq.modeling._memory import enough_memory, free_memory
from zhmcq.modeling._probe import bf16_speed
from zhmcq.modeling._process_memory import KeptMemory, process_memory, return_to_system
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import layout_by_rule, refuse_beyond_positions
from zhmcq.prompts import Prompt, describe_prompt, get_prompt, recall_prompt
from zhmcq.questions import Question
from zhmcq.reading import BankSource
from zhmcq.settings import LoraSettings, QuantizationSettings, TrainingSettings
from zhmcq.training._arguments import training_arguments, training_questions
from zhmcq.training._best import BestAdapter
from zhmcq.training._budgets import eval_budget, train_budget
from zhmcq.training._lora import (
    attach_adapter,
    lora_config,
    make_optimizer,
    save_initial_weights,
)
from zhmcq.training._memory_estimate import estimate_memory
from zhmcq.training._overlap import check_overlap
from zhmcq.training._plan import ShuffledEpochs, StepPlan
from zhmcq.training._preflight import (
    CheckedQuestions,
    PreflightReport,
    check_questions,
    preflight_report,
)
from zhmcq.training._result import TrainingResult, lengths_in_words
from zhmcq.training._run import Run
from zhmcq.training._run_folder import RunFolder
from zhmcq.training._turns import one_training_at_a_time

__all__ = ["LoraTrainer"]

logger = logging.getLogger(__name__)

# Steps are cut by themselves; this is for the check of a model, on a question alone.
LESS_MEMORY = "lower max_length, give a quantization, take a smaller model"
# An optimizer takes memory for each trained weight, in its first step.
LESS_STATE = (
    "lower r in LoraSettings or name fewer target_modules, give optim='adamw_bnb_8bit', or give a "
    "quantization"
)
WORTH_FREEING = 100_000_000  # bytes of weights: Python takes a good part of a second to find them
DEFAULT_BASE_MODEL = "lianghsun/Llama-3.2-Taiwan-3B-Instruct"


class LoraTrainer:
    """Trains a LoRA adapter on questions.

    Args:
        base_model: A hub id, a folder or a ``.gguf`` file.
        lora: LoRA settings; the recipe's by default.
        training: Settings of the run; the recipe's by default.
        quantization: How to quantise the base model to 4 or 8 bits; ``None`` leaves it at full
            precision.
        prompt: The prompt that renders the questions: a registered name or an instance.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``; the fastest of this machine by default, and
            under a launcher that of each process.
        token: A hub access token, for gated models.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the base model's author supplies with the weights.
        callbacks: transformers ``TrainerCallback`` objects, for progress or logging.

    Raises:
        SettingsError: If a setting's name or value is wrong, or the machine has no such device.
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
        device: str | None = None,
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
        callbacks: Sequence[Any] = (),
    ) -> None:
        if not isinstance(base_model, str | Path):
            raise SettingsError(
                f"LoraTrainer(base_model={base_model!r:.80}): expected a path or a name"
            )
        _refuse_other_types(lora=lora, training=training, quantization=quantization)
        self.source = ModelSource(str(base_model), token, local_files_only, trust_remote_code)
        self.lora = lora or LoraSettings()
        self.training = training or TrainingSettings()
        self.quantization = quantization
        self.prompt = prompt
        self.callbacks = list(callbacks)
        if device is not None:
            choose_device(device)  # refuses what is no device, or none of this machine
        self.device = device
        self._template = get_prompt(prompt)
        if quantization is not None and self.lora.changes_base:
            raise SettingsError(
                f"LoraSettings(init_lora_weights={self.lora.init_lora_weights!r}) takes the "
                "adapter's first weights out of the base model's, which a quantised base cannot "
                "give exactly: leave it out, or train without quantization"
            )
        # peft and transformers refuse wrong values here, not after a long download.
        lora_config(self.lora)
        self._chosen_device = training_arguments(self.training, "unused", device=device).device

    def preflight(self, train: BankSource, valid: BankSource | None = None) -> PreflightReport:
        """Check what training would teach and take, without loading the model's weights.

        Args:
            train: Training questions with keys, as for :meth:`train`.
            valid: Validation questions with keys, likewise.

        Returns:
            The report; ``print`` shows it. Its memory is that of the base model in the first
            dtype that would be tried on the device, quantised if ``quantization`` was given.

        Raises:
            ReadError: If the questions cannot be read, or are none.
            ModelError: If the tokenizer or the model's configuration cannot be loaded, or
                bitsandbytes is missing for a ``quantization``.
            SettingsError: If ``max_length`` is more than the model has positions for.
        """
        train_questions, valid_questions = training_questions(train, valid)
        self._refuse_beyond_positions()
        encoder = self._encoder(load_tokenizer(self.source))
        training, validation = self._checked(encoder, train_questions, valid_questions)
        report = preflight_report(training, validation, encoder.codec)
        with_keys = [q for q in training.encoded if q.target is not None]
        if not with_keys:
            return report
        device = self._chosen_device
        dtype = DtypeChoice(self.training.dtype, device, speed=self._bf16_speed(device)).current
        quantization = self.quantization and quantization_config(self.quantization, dtype)
        skeleton = load_skeleton(self.source, dtype=dtype, quantization=quantization)
        model = attach_adapter(skeleton, self.lora, initialised=False)
        layout = layout_by_rule(skeleton, self.training.packing)
        plan = StepPlan.of(self.training, layout)
        parts = with_keys, validation.encoded
        return self._with_estimate(report, plan, parts, model, process_memory())

    def train(
        self,
        train: BankSource,
        valid: BankSource | None = None,
        output_dir: str | Path = "lora_finetuned_model",
        *,
        overwrite: bool = False,
        resume: str | bool = "auto",
        progress: Progress | None = None,
    ) -> TrainingResult:
        """Train, and save the adapter that answers the validation questions best.

        Args:
            train: Training questions with keys: a bank, questions, or what
                :func:`zhmcq.reading.read_bank` reads them from (the path of a file, an open binary
                file, a ``pandas.DataFrame``, a ``datasets.Dataset``, records as dictionaries, or a
                list of several).
            valid: Validation questions with keys, likewise, best of other passages. Without them
                the last adapter is saved.
            output_dir: Where the adapter, its tokenizer and manifest go; checkpoints are in
                its subfolder ``checkpoints/``.
            overwrite: Whether an earlier run in ``output_dir`` is removed.
            resume: ``"auto"`` resumes an interrupted run of the same settings, data and number of
                processes; ``False`` never does; ``True`` requires a checkpoint.
            progress: Called as :class:`zhmcq.Progress` describes, with steps and with validation
                questions; by default bars are drawn, or lines are logged.

        Returns:
            What the run came to; the adapter itself is in ``output_dir``.

        Raises:
            ReadError: If the questions cannot be read, or are none.
            SettingsError: If ``resume`` is none of these, or contradicts ``overwrite``; if
                ``progress`` cannot be called; if early
                stopping is set without validation questions; if the model lacks a layer that is
                to be adapted, or the adapter could not be merged exactly; if ``max_length`` is
                more than the model has positions for.
            PreflightError: If questions, or the base model's chat template, would teach the model
                nonsense, or validation questions are trained on.
            OutputExistsError: If ``output_dir`` holds a finished run, or other files.
            OutputError: If another run is writing to it.
            CheckpointError: If the run cannot be resumed.
            ModelError: If the base model cannot be loaded, is not causal, lacks weights, or does
                not work in the dtype.
            TrainingError: If a loss, gradient, weight or score is not finite, or the call comes
                from within another training.
            OutOfMemoryError: If memory runs out for a question alone, for the weights or for the
                optimizer. Forward passes of several questions are cut, and later ones hold less.
            KeyboardInterrupt: After Ctrl-C or SIGTERM, once a checkpoint is saved; it says how to
                resume.

        Trainings in several threads take turns, since they draw from one random state.
        """
        folder = RunFolder(output_dir, overwrite=overwrite, resume=resume)
        require_progress(progress, SettingsError)
        # A setting of transformers: with it, its own bar would not be drawn either.
        silent = progress is None and getattr(self.training, "disable_tqdm", False)
        with reporting(_ignore if silent else progress):
            questions = training_questions(train, valid)
            with one_training_at_a_time():
                result = self._train(*questions, folder)
                _free_model(result.preflight)
                return result

    @enough_memory("training", LESS_MEMORY)
    def _train(
        self, train: Sequence[Question], validation: Sequence[Question], folder: RunFolder
    ) -> TrainingResult:
        # Made first: under a launcher it joins the processes and gives each its device.
        arguments = training_arguments(
            self.training,
            str(folder.checkpoints.folder),
            evaluate=bool(validation),
            device=self.device,
        )
        with contextlib.ExitStack() as stack:
            if arguments.process_index == 0:
                folder.refuse_finished([self.source.name])
                stack.enter_context(folder.locked())
            model, run = self._prepare(train, validation, folder, arguments)
            choose_layout(model, run.train, self.training.packing)  # refuses before it writes
            checkpoint: list[Path | None] = [None]
            if arguments.process_index == 0:
                checkpoint = [folder.begin(run.record)]
            broadcast_object_list(checkpoint)
            return self._execute(run, model, checkpoint[0])

    def _prepare(
        self,
        train: Sequence[Question],
        valid: Sequence[Question],
        folder: RunFolder,
        arguments: Any,
    ) -> tuple[Any, Run]:
        """Check the questions, load the base model, attach an adapter; nothing is written yet."""
        from transformers import set_seed

        self._refuse_beyond_positions()
        settings = self.training
        # The first process's date is every process's, also around midnight.
        date = [folder.recorded_date() or _chat.today() if arguments.process_index == 0 else None]
        broadcast_object_list(date)
        encoder = self._encoder(load_tokenizer(self.source), date[0])
        training, validation = self._checked(encoder, train, valid)
        report = preflight_report(training, validation, encoder.codec)
        report.raise_if_broken()
        if not training.encoded:
            raise PreflightError("expected training questions, found none")
        # The first process's dtype is every process's: that of the run, or the one that is fast.
        chosen: list[Any] = [None, None]
        if arguments.process_index == 0:
            recorded = folder.recorded_dtype()
            chosen = [recorded, self._bf16_speed(arguments.device) if recorded is None else None]
        broadcast_object_list(chosen)
        return_to_system()  # what reading and comparing the questions took
        process = process_memory()
        proven = load_proven(
            self.source,
            training.encoded,
            dtype=settings.dtype,
            device=arguments.device,
            quantization=self.quantization,
            recorded=chosen[0],
            speed=chosen[1],
        )
        _refuse_other_dtypes(gather_object([dtype_name(proven.dtype)]))
        set_seed(settings.seed)  # which decides the adapter's first weights
        peft_model = attach_adapter(proven.model, self.lora)
        shuffled = None
        if settings.shuffle_options:
            shuffled = ShuffledEpochs(train, training.encoded, encoder, settings.seed)
            shuffled.log_what_changes()
        return peft_model, Run(
            folder=folder,
            lora=self.lora,
            settings=settings,
            quantization=self.quantization,
            identity=self.source.identity(encoder.codec.tokenizer),
            prompt=describe_prompt(self.prompt),
            arguments=arguments,
            dtype=proven.dtype,
            encoder=encoder,
            train=training.encoded,
            validation=validation.encoded,
            validation_clusters=clusters_of(valid),
            epoch_questions=shuffled or (lambda epoch: training.encoded),  # noqa: ARG005
            report=report,
            process=process,
            seen=SeenQuestions(
                train=frozenset(fingerprints(train)), validation=frozenset(fingerprints(valid))
            ),
        )

    def _execute(self, run: Run, peft_model: Any, checkpoint: Path | None) -> TrainingResult:
        """Train the adapter, and save the best one.

        Args:
            run: What is trained.
            peft_model: The base model with the new adapter on it.
            checkpoint: The checkpoint to resume from, or ``None`` to start anew.
        """
        from zhmcq.training._watch import (
            ReportedSteps,
            StopOnInterrupt,
            refuse_non_finite_weights,
            resuming,
        )

        if run.lora.changes_base and run.arguments.process_index == 0:
            save_initial_weights(peft_model, run.folder.start_weights)
        tokenizer = run.encoder.codec.tokenizer
        engine = ScoringEngine(peft_model, run.settings.packing, eval_budget(run.settings))
        best = BestAdapter(
            run.folder.best, run.settings.valid_metric, peft_model, run.folder.run_sha256
        )
        plan = StepPlan.of(run.settings, engine.resolve(run.train))
        processes = run.arguments.world_size
        report = self._with_estimate(
            run.report, plan, (run.train, run.validation), peft_model, run.process, processes
        )
        if run.arguments.process_index == 0:
            logger.info("%s", records.preflight_record(str(report)))
        loop = self._loop(run, peft_model, plan, engine, best, _memory_limit(report))
        start = time.perf_counter()
        with (
            current_progress() as report_progress,
            StopOnInterrupt(loop, run.folder.resume_instruction),
            ReportedSteps(loop, report_progress),
            resuming(checkpoint),
            # The loop deals with its forward and backward passes itself.
            enough_memory("training, outside of forward and backward passes", LESS_STATE),
        ):
            loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        seconds = time.perf_counter() - start - engine.stats.seconds
        steps = loop.state.global_step
        best_step, metrics = best.restore() if run.validation else (steps, {})
        refuse_non_finite_weights(peft_model, best_step)
        manifest = run.manifest(steps=steps, best_step=best_step, metrics=metrics)
        if loop.is_world_process_zero():
            run.folder.save(
                peft_model,
                tokenizer,
                manifest,
                run.seen,
                model_card(manifest, lengths=lengths_in_words(report, manifest.max_length)),
                subtract_start=run.lora.changes_base,
            )
        loop.accelerator.wait_for_everyone()
        peft_model.config.use_cache = True  # transformers' Trainer turned it off
        return TrainingResult(
            adapter_dir=run.folder.shown,
            accuracy=metrics.get("accuracy"),
            steps=steps,
            best_step=best_step,
            history=loop.state.log_history,
            questions_per_second=loop.questions_seen * processes / seconds,
            tokens_given=loop.tokens_given,
            tokens_computed=loop.tokens_computed,
            preflight=report,
        )

    def _loop(
        self,
        run: Run,
        peft_model: Any,
        plan: StepPlan,
        engine: ScoringEngine,
        best: BestAdapter,
        memory: KeptMemory,
    ) -> Any:
        """The training loop of a run, with its optimizer and callbacks."""
        # These load transformers' Trainer, which takes seconds that a preflight does not need.
        from zhmcq.training._loop import TrainingLoop
        from zhmcq.training._watch import EarlyStopping, TimedSteps

        patience = run.settings.early_stopping_patience
        return TrainingLoop(
            model=peft_model,
            args=run.arguments,
            processing_class=run.encoder.codec.tokenizer,
            callbacks=[*self.callbacks, TimedSteps()],
            optimizers=(make_optimizer(peft_model, run.arguments, run.lora), None),
            train_questions=run.train,
            epoch_questions=run.epoch_questions,
            validation_questions=run.validation,
            validation_clusters=run.validation_clusters,
            plan=plan,
            budget=train_budget(run.settings),
            memory=memory,
            engine=engine,
            checkpoints=run.folder.checkpoints,
            on_evaluated=best.consider,
            early_stopping=(
                EarlyStopping(patience, run.settings.valid_metric) if patience else None
            ),
        )

    def _refuse_beyond_positions(self) -> None:
        """Refuse a maximum length beyond the model's positions, by its configuration."""
        length = self.training.max_length
        argument = f"TrainingSettings(max_length={length})"
        refuse_beyond_positions(length, load_config(self.source), argument)

    def _bf16_speed(self, device: Any) -> float | None:
        """How fast the device is in bf16, where that decides the dtype of a new run."""
        dtype, quantised = self.training.dtype, self.quantization is not None
        return bf16_speed(self.source, dtype=dtype, device=device, quantised=quantised)

    def _encoder(self, tokenizer: Any, date: datetime.date | None = None) -> Encoder:
        return Encoder(tokenizer, self._template, self.training.max_length, date)

    def _checked(
        self, encoder: Encoder, train: Sequence[Question], valid: Sequence[Question]
    ) -> tuple[CheckedQuestions, CheckedQuestions]:
        """Training and validation questions, encoded and checked."""
        predictor_prompt = self._predictor_prompt()
        key_alone = self.training.objective == "next_token"
        training = check_questions(train, encoder, predictor_prompt, key_alone=key_alone)
        validation = check_questions(valid, encoder, predictor_prompt)
        findings, sharing = check_overlap(train, valid)
        if sharing:
            logger.warning(
                "%d of %d validation questions share a passage with training questions, or a "
                "near-copy or quotation of one: accuracy on them is too high for questions about "
                "new passages; DatasetBuilder.split keeps passages apart",
                sharing, len(valid),
            )  # fmt: skip
        findings = [*validation.findings, *findings]
        return training, replace(validation, findings=findings, sharing=sharing)

    def _predictor_prompt(self) -> Prompt:
        """The prompt as the predictor will have it: made anew from what the adapter remembers."""
        try:
            return recall_prompt(describe_prompt(self.prompt))
        except PromptMismatchError as error:
            logger.warning("merging and predicting will need the prompt again: %s", error)
            return self._template

    def _with_estimate(
        self,
        report: PreflightReport,
        plan: StepPlan,
        parts: tuple[Sequence[EncodedQuestion], Sequence[EncodedQuestion]],
        model: Any,
        process: int,
        processes: int = 1,
    ) -> PreflightReport:
        """The report with what the run will take.

        Args:
            report: What was checked.
            plan: What each step computes.
            parts: The training questions with keys, and the validation questions.
            model: The model with its adapter; its parameters may be on the meta device.
            process: Bytes that this process had in memory before the model was loaded.
            processes: How many processes share the run.
        """
        questions, validation = parts
        run = plan.estimate(
            questions, processes, validation=validation, eval_budget=self.training.eval_budget
        )
        stored = load_config(self.source).dtype
        memory = estimate_memory(
            model,
            self.training,
            run,
            device=self._chosen_device,
            process=process,
            stored=stored if isinstance(stored, torch.dtype) else None,
        )
        dtype = dtype_name(model_dtype(base_of(model)))
        return replace(report, run=replace(run, memory=memory, dtype=dtype))


def _memory_limit(report: PreflightReport) -> KeptMemory:
    """Keeps the process near what the report says, where that is of the process: on a CPU."""
    memory = report.run.memory if report.run is not None else None
    return KeptMemory(memory.total if memory is not None and memory.process else 0)


def _free_model(report: PreflightReport) -> None:
    """Free a model that was trained: what comes next in this process often loads another one.

    Its modules and the training loop refer to each other, so that it would stay until Python looks
    for such garbage by itself.

    Args:
        report: The report of its run.
    """
    memory = report.run.memory if report.run is not None else None
    if memory is not None and memory.weights >= WORTH_FREEING:
        free_memory()
        return_to_system()


def _ignore(done: int, total: int, stage: str) -> None:
    """Draws nothing."""


def _refuse_other_dtypes(names: Sequence[str]) -> None:
    """Refuse processes with different dtypes: their gradients would have different rounding."""
    if len(set(names)) > 1:
        raise SettingsError(
            f"the processes chose different dtypes ({', '.join(names)}): give "
            "TrainingSettings(dtype=…) that all of them can compute in, such as 'float32'"
        )


def _refuse_other_types(**settings: object) -> None:
    types = {"lora": LoraSettings, "training": TrainingSettings}
    for name, value in settings.items():
        expected = types.get(name, QuantizationSettings)
        if value is not None and not isinstance(value, expected):
            raise SettingsError(
                f"LoraTrainer({name}={value!r:.80}): expected {expected.__name__}(…) or None"
            )
