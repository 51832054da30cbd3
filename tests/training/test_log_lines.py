"""Lines on what a run logs, which say what their figures are."""

from __future__ import annotations

from zhmcq.training._log_lines import log_line


def test_a_step_has_its_loss_and_rate() -> None:
    logs = {"loss": 1.23456, "grad_norm": 0.5, "learning_rate": 5e-05, "epoch": 0.2}
    expected = "step 10 of 480: loss 1.235, gradient norm 0.5, learning rate 5e-05"
    assert log_line(10, 480, logs) == expected


def test_an_evaluation_has_its_interval_and_recalls_and_no_weights() -> None:
    logs = {
        "eval_accuracy": 0.5556,
        "eval_accuracy_low": 0.1089,
        "eval_accuracy_high": 0.9275,
        "eval_loss": 1.143,
        "eval_candidate_mass": 0.01177,
        "eval_recall_1": 2 / 3,
        "eval_recall_4": 0.0,
        "eval_weight_of_sum": 0.7,
        "epoch": 1.0,
    }
    assert log_line(6, 6, logs) == (
        "step 6 of 6, validation: accuracy 55.6% (95 % interval 10.9% to 92.8%), loss 1.143, "
        "candidate mass 0.01177; keys recalled by option: 67% of 1, 0% of 4"
    )


def test_the_end_has_the_time_of_the_call_and_no_figure_that_is_not_counted() -> None:
    logs = {
        "train_runtime": 293.4,
        "train_samples_per_second": 0.14,
        "train_steps_per_second": 0.02,
        "total_flos": 0.0,
        "train_loss": 1.481,
        "epoch": 1.0,
    }
    expected = "step 6 of 6: this call took 5 minutes, evaluations included; mean loss 1.481"
    assert log_line(6, 6, logs) == expected


def test_figures_of_others_are_shown_by_their_names() -> None:
    assert log_line(1, 2, {"lr_group": "a", "my_figure": 3}) == (
        "step 1 of 2: lr group a, my figure 3"
    )
