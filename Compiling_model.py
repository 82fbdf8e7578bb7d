"""Step 8: compile the network and train it on the training split, validated on PublicTest after each epoch.

The default recipe, `baseline`, is that of the published LeNet-5 notebook; pipeline/training/recipes.py has more. A
flag or a value edited below wins over the recipe. After an interruption the same command resumes; see --finish.

Reads:  data/model, emotions, train_x, train_y, val_x, val_y, and the checkpoint of an interrupted run, if it fits
Writes: data/trained_model and history; a row in results/runs.csv
Run:    python3 Compiling_model.py
        python3 Compiling_model.py --distribute         on all GPUs; for several machines see docs/distributed.md
Expect: one to two minutes on two processor cores for FER2013, 30 epochs of 3 s.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.workflow.cli import run_step

from pipeline.data.augmentation import ErasingSide
from pipeline.models.backend import keras
from pipeline.models.serialization import initialize_weights, unpack
from pipeline.reporting import run_log
from pipeline.training import fine_tuning
from pipeline.training.batches import ShuffledBatches, to_tf_dataset
from pipeline.training.calibrate import calibrate_packed, check_head
from pipeline.training.callbacks import build_callbacks, choose_verbosity
from pipeline.training.checkpoint import Checkpoint, collect_dependencies
from pipeline.training.class_weights import balance_classes
from pipeline.training.distillation import distill_targets
from pipeline.training.distributed import create_strategy
from pipeline.training.ema import EvaluateEMA
from pipeline.training.fast_layers import Precision, build_fast_copy
from pipeline.training.history import build_run_record, describe_constant_prediction, format_summary
from pipeline.training.launcher import relaunch_on_jax
from pipeline.training.optimizers import compile_for_phase
from pipeline.training.recipes import RECIPES, RecipeName
from pipeline.training.validation import check_combinations
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import (
    FilePath,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OneRun,
    PositiveFloat,
    PositiveInt,
    Seed,
    UnitInterval,
)  # fmt: skip


@dataclass
class Settings:
    # Run
    recipe: RecipeName = "baseline"  # defaults of all other settings; see pipeline/training/recipes.py
    epochs: PositiveInt = 30  # passes over the training faces
    batch_size: PositiveInt = 48  # faces per step
    seed: Seed = 0  # of the order of the faces, the augmentation and random layers
    resume: OneRun[bool] = True  # False: ignore the checkpoint of an interrupted run and start from scratch
    finish: OneRun[bool] = False  # True: train no further; save the network of the last checkpoint
    trial: OneRun[str] = ""  # of Search_Hyperparameters.py, which sets it; data/trained_model stays as it is
    init_from: FilePath = ""  # saved model (.keras) whose weights the training starts from; empty: random
    verbose: Literal[0, 1, 2] = 1  # 1: progress bar (in a terminal); 2: a line per epoch; 0: nothing

    # Optimizer
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # sgd: with Nesterov momentum 0.9
    learning_rate: PositiveFloat = 0.001  # highest value of the schedule; lower it if the loss becomes NaN
    weight_decay: NonNegativeFloat = 0.0  # for adamw and sgd; 0.05 is usual for adamw
    label_smoothing: Fraction = 0.0  # share of each label spread over all classes
    class_weights: bool = False  # True: all emotions count the same, however rare
    precision: Precision = "float32"  # mixed_bfloat16: faster for wide networks on recent processors

    # Schedule
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: decays to 0 by the last epoch
    warmup_epochs: NonNegativeFloat = 0.0  # epochs of linear warm-up, for the cosine schedule
    early_stopping_patience: NonNegativeInt = 0  # epochs without a better validation accuracy; 0: no limit
    keep: Literal["last", "best"] = "last"  # weights of the last epoch or of the best on validation
    calibrate: bool = False  # True: fit class prior adjustment and temperature on validation at the end

    # Fine-tuning of a pretrained backbone
    frozen_epochs: NonNegativeInt = 0  # first epochs, with a frozen backbone and a constant learning_rate
    fine_tuning_learning_rate: PositiveFloat = 0.0005  # instead of learning_rate after frozen_epochs

    # EMA and knowledge distillation
    ema_momentum: Fraction = 0.0  # of the moving average of the weights, such as 0.999; 0: no EMA
    teachers: tuple[str, ...] = ()  # saved models (.keras) whose predictions are mixed into the targets
    distillation_weight: UnitInterval = 0.7  # weight of the teachers' mean prediction

    # Augmentation
    flip: bool = False  # True: mirror half of the faces
    rotate: NonNegativeFloat = 0.0  # degrees, maximum in either direction
    translate: NonNegativeFloat = 0.0  # pixels, maximum in each direction
    zoom: Fraction = 0.0  # maximum relative change of size
    contrast: Fraction = 0.0  # maximum relative change of contrast
    brightness: UnitInterval = 0.0  # maximum change of the gray values
    corruption: UnitInterval = 0.0  # share of the faces degraded as by a poor camera
    random_erasing: ErasingSide = 0  # pixels, maximum side of the erased rectangle; 0: none
    mixup: NonNegativeFloat = 0.0  # alpha of the Beta distribution; 0: none, 0.2: mild

    # Distributed training
    distribute: bool = False  # True: train on JAX on all devices of this machine, or of several
    num_processes: PositiveInt = 1  # one per machine; run this command on each
    process_id: NonNegativeInt = 0  # of this process, from 0; process 0 writes the results
    coordinator: str = ""  # host:port of process 0, such as 192.168.1.10:5555


def main(settings: Settings, store: ArtifactStore) -> None:
    check_combinations(settings)
    packed, emotions = store.read("model"), store.read("emotions")
    train_x, train_y, val_x, val_y = (store.read(name) for name in ("train_x", "train_y", "val_x", "val_y"))
    dependencies = collect_dependencies(settings, store)
    strategy = create_strategy(settings, dependencies)
    teachers = () if settings.finish else settings.teachers  # their predictions take minutes
    targets = distill_targets(teachers, train_x, train_y, settings.distillation_weight, emotions)
    class_weight = balance_classes(train_y) if settings.class_weights else None
    fit_options = {"validation_data": (val_x, val_y), "class_weight": class_weight}
    batches = strategy.distribute(ShuffledBatches.from_settings(train_x, targets, settings))

    keras.utils.set_random_seed(settings.seed)
    model = build_fast_copy(unpack(packed), settings.precision)
    check_head(model, settings.calibrate)
    if settings.init_from:
        initialize_weights(model, settings.init_from, emotions)
    ema = EvaluateEMA(batches)
    checkpoint = Checkpoint(store, dependencies, strategy, ema, settings.early_stopping_patience)
    checkpoint.load(settings)
    print(f"  {model.name}: {len(train_x):,} training faces, {len(val_x):,} validation faces", flush=True)
    with checkpoint.explain_interruption():
        for phase in [] if settings.finish else fine_tuning.split_into_phases(settings):
            if checkpoint.n_epochs < phase.stop and not checkpoint.has_stopped_early:
                fit_phase(settings, phase, model, batches, checkpoint, **fit_options)
    strategy.shutdown()
    if strategy.is_coordinator:
        save(settings, store, model, checkpoint)


def fit_phase(
    settings: Settings,
    phase: fine_tuning.Phase,
    model: keras.Model,
    batches: ShuffledBatches,
    checkpoint: Checkpoint,
    **fit_options: Any,
) -> None:
    """Compile the model for a phase and fit it from the checkpoint's epoch to the end of the phase."""
    if settings.frozen_epochs:
        fine_tuning.prepare_backbone(model, phase)
    compile_for_phase(model, settings, phase, steps_per_epoch=len(batches))
    checkpoint.restore(model, phase.start)
    model.fit(
        to_tf_dataset(batches),
        shuffle=False,  # ShuffledBatches does it
        initial_epoch=checkpoint.n_epochs,
        epochs=phase.stop,
        validation_batch_size=512,
        verbose=choose_verbosity(settings.verbose) if checkpoint.strategy.is_coordinator else 0,
        callbacks=[*build_callbacks(batches, settings.epochs), *checkpoint.callbacks],
        **fit_options,
    )


def save(settings: Settings, store: ArtifactStore, model: keras.Model, checkpoint: Checkpoint) -> None:
    """Save the trained model and its history, record the run, and print the accuracies."""
    record = build_run_record(model, checkpoint.history, settings, store.read("source", track=False))
    if settings.trial:
        run_log.append_trial(store, record, settings.trial)
        return checkpoint.finish_trial(settings.keep)
    trained = store.read("model") | checkpoint.select_weights(settings.keep)
    trained = calibrate_packed(trained, store) if settings.calibrate else trained
    store.write(trained_model=trained, history=checkpoint.history)
    store.remove_when_recorded(checkpoint.name)
    run_log.append_run(store, record)
    print(format_summary(checkpoint.history, checkpoint.best_epoch, settings.keep))
    print(describe_constant_prediction(unpack(trained), store.read("val_x"), store.read("emotions")), end="")


if __name__ == "__main__":
    run_step(main, Settings, recipes=RECIPES, setup=relaunch_on_jax)
