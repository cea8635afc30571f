"""Training through Lightning: what is found, what is logged, what stops it, what is continued."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor, nn

from runner.data.batches import BatchLoader
from runner.tasks.classification import Classification
from runner.tasks.evaluation import Record
from runner.tasks.regression import Regression
from runner.tasks.training_log import DivergedError

X = torch.tensor([[1.0], [2.0], [3.0]])
LINE = [(X, 2 * X)]


def digits(batches: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    return [(torch.randn(8, 4, generator=draw), torch.randint(3, (8,), generator=draw)) for _ in range(batches)]


def classifier(lr: float = 0.1, **kwargs) -> Classification:
    torch.manual_seed(0)
    return Classification(nn.Linear(4, 3), partial(torch.optim.SGD, lr=lr), num_classes=3, **kwargs)


class Written(Logger):
    """Keeps what is logged."""

    name, version = "written", 0

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_hyperparams(self, *args, **kwargs) -> None: ...

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.rows.append((step, dict(metrics)))

    def curve(self, name: str) -> dict[int, float]:
        return {step: row[name] for step, row in self.rows if name in row}


@pytest.mark.parametrize(
    ("optimizer", "epochs"),
    [
        (partial(torch.optim.SGD, lr=0.05, momentum=0.9), 300),
        (partial(torch.optim.LBFGS, lr=1.0, line_search_fn="strong_wolfe"), 5),
    ],
)
def test_a_linear_network_finds_weight_two_and_bias_zero(fit, optimizer, epochs: int) -> None:
    torch.manual_seed(0)
    task = Regression(nn.Linear(1, 1), optimizer, standardize_targets=False)
    fit(task, LINE, max_epochs=epochs)
    assert task.network.weight.item() == pytest.approx(2.0, abs=1e-4)
    assert task.network.bias.item() == pytest.approx(0.0, abs=1e-4)


def test_lbfgs_notes_each_step_once(fit) -> None:
    task = Regression(nn.Linear(1, 1), partial(torch.optim.LBFGS, lr=1.0), standardize_targets=False)
    first = task.loss_on(LINE[0])
    trainer = fit(task, LINE, max_epochs=1)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(first)


def test_train_metrics_are_means_over_the_epochs_samples(fit) -> None:
    task, batches = classifier(lr=1e-30), [*digits(6), (torch.ones(2, 4), torch.tensor([0, 1]))]
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    outputs = task.network(inputs).detach()
    found = fit(task, batches, max_epochs=2, log_every_n_steps=4).callback_metrics
    assert float(found["train/loss"]) == pytest.approx(float(F.cross_entropy(outputs, targets)), rel=1e-6)
    assert float(found["train/accuracy"]) == pytest.approx(float((outputs.argmax(1) == targets).float().mean()))


def test_hard_and_mixed_batches_may_alternate(fit) -> None:
    inputs, targets = digits(1)[0]
    batches = [(inputs, targets), (inputs, F.one_hot(targets, 3).float())]
    found = fit(classifier(lr=1e-30), batches, max_epochs=1).callback_metrics
    alone = fit(classifier(lr=1e-30), batches[:1], max_epochs=1).callback_metrics
    assert float(found["train/accuracy"]) == float(alone["train/accuracy"])
    assert float(found["train/loss"]) == pytest.approx(float(alone["train/loss"]))


def test_the_curve_has_a_point_every_n_steps_and_the_epoch_its_mean(fit) -> None:
    written, task, batches = Written(), classifier(lr=1e-30), digits(5)
    losses = [task.loss_on(batch) for batch in batches] * 2
    fit(task, batches, batches, max_epochs=2, log_every_n_steps=3, logger=written)
    windows = {step: sum(losses[step - 2 : step + 1]) / 3 for step in (2, 5, 8)}
    assert written.curve("train/loss_step") == pytest.approx(windows)
    assert written.curve("train/loss") == pytest.approx({4: sum(losses) / 10, 9: sum(losses) / 10})
    assert list(written.curve("val/accuracy")) == [4, 9]
    assert written.curve("val/loss") == pytest.approx(written.curve("train/loss"))


def test_with_accumulated_gradients_the_curve_counts_optimizer_steps(fit) -> None:
    written = Written()
    fit(classifier(), digits(8), max_epochs=1, log_every_n_steps=2, accumulate_grad_batches=2, logger=written)
    assert list(written.curve("train/loss_step")) == [1, 3]


def test_an_epoch_cut_short_by_max_steps_is_logged_too(fit) -> None:
    task, batches = classifier(lr=1e-30), digits(5)
    losses = [task.loss_on(batch) for batch in batches]
    found = fit(task, batches, max_steps=2).callback_metrics
    assert float(found["train/loss"]) == pytest.approx(sum(losses[:2]) / 2)


def test_callbacks_find_this_epochs_mean_at_its_end(fit) -> None:
    class Look(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, *args: object) -> None:
            seen.append("train/loss" in trainer.callback_metrics)

    seen: list[bool] = []
    fit(classifier(), digits(2), max_epochs=1, callbacks=[Look()])
    assert seen == [True]


def test_a_loss_that_is_no_longer_finite_stops_before_the_weights_break(fit) -> None:
    batches = digits(6)
    batches[4] = (torch.full((8, 4), torch.nan), batches[4][1])
    task = classifier(lr=0.25)
    with pytest.raises(DivergedError) as caught:
        fit(task, batches, max_epochs=1)
    step, loss = caught.value.last_finite
    assert (caught.value.step, step) == (5, 4)
    assert str(caught.value) == (
        f"The loss became nan at step 5 (last finite loss {loss:.4g} at step 4). "
        "Lower optimizer.lr (now 0.25), set trainer.gradient_clip_val=1, or look at the data with mode=debug."
    )
    assert all(parameter.isfinite().all() for parameter in task.parameters())


def test_the_first_loss_may_already_be_infinite(fit) -> None:
    batches = [(torch.full((8, 4), torch.inf), digits(1)[0][1])]
    with pytest.raises(DivergedError, match=r"nan at step 1 \(no finite loss before it\)"):
        fit(classifier(), batches, max_epochs=1)


def test_advice_leaves_out_what_is_already_done() -> None:
    message = str(DivergedError(3, float("inf"), (2, 1.5)))
    assert message == (
        "The loss became inf at step 3 (last finite loss 1.5 at step 2). Look at the data with mode=debug."
    )


def test_losses_left_on_the_device_tell_the_exact_step_when_they_are_read() -> None:
    record, targets = Record(), torch.zeros(2)
    for step, loss in enumerate([2.0, 1.5, float("inf"), 1.0, float("nan")], start=11):
        record.add(step, torch.tensor(loss), targets, targets)
    assert record.read() == (13, float("inf"))
    assert record.last_finite == (12, 1.5)


def test_a_broken_loss_is_found_before_a_checkpoint_is_written(fit) -> None:
    task = classifier()
    trainer = fit(task, digits(2), max_epochs=1)
    task.training_log.record.add(7, torch.tensor(torch.nan), *(torch.zeros(1, 3), torch.zeros(1)))
    with pytest.raises(DivergedError, match="nan at step 7"):
        task.on_save_checkpoint({})
    assert trainer.current_epoch == 1


def test_a_run_continued_in_mid_epoch_logs_exactly_what_an_uninterrupted_one_does(fit, tmp_path) -> None:
    class Save(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
            if trainer.global_step == 10:
                trainer.save_checkpoint(tmp_path / "middle.ckpt")

    inputs, targets = (torch.cat(parts) for parts in zip(*digits(8), strict=True))

    def run(**settings) -> Written:
        loader = BatchLoader(inputs, targets, torch.arange(64), batch_size=8, shuffle=True)
        written = Written()
        fit(classifier(), loader, digits(2), max_epochs=3, log_every_n_steps=3, logger=written, **settings)
        return written

    whole = run(callbacks=[Save()])
    content = torch.load(tmp_path / "middle.ckpt", weights_only=True)
    assert content["training_log"]["record"]["epoch"][2] == 16  # two batches of the second epoch
    rest = run(ckpt_path=tmp_path / "middle.ckpt")
    for name in ("train/loss", "train/accuracy", "train/loss_step", "val/loss"):
        later = {step: value for step, value in whole.curve(name).items() if step >= 10}
        assert later and rest.curve(name) == later


def test_sums_do_not_depend_on_when_they_were_read() -> None:
    once, often = (Record(lambda outputs, targets: (outputs.argmax(1) == targets).sum()) for _ in range(2))
    for step, (outputs, targets) in enumerate(digits(9)):
        loss = F.cross_entropy(outputs, targets)
        once.add(step, loss, outputs, targets)
        often.add(step, loss, outputs, targets)
        often.read()
        continued = Record(often.count_hits)
        continued.load_state_dict(often.state_dict())
        often = continued
    once.read()
    assert often.take("epoch") == once.take("epoch")
    assert once.take("epoch") == {}


def test_loss_on_evaluates_and_leaves_the_mode_as_it_was() -> None:
    task = Classification(nn.Dropout(0.9), partial(torch.optim.SGD, lr=0.1), num_classes=4, label_smoothing=0.3)
    inputs, targets = torch.randn(8, 4), torch.arange(8) % 4
    task.train()
    assert task.loss_on((inputs, targets)) == pytest.approx(float(F.cross_entropy(inputs, targets)))
    assert task.training and task.network.training
