"""A classifier trained by the Trainer of transformers, on particles that are turned and shifted anew in each epoch."""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainingArguments

import perc_transforms as T
from examples import complexes, recipe_plots
from examples.classify import classifier

PREPARE = T.Compose([T.Rescale(32), T.Normalize()])
AUGMENT = T.Compose([T.RandomRotate(), T.RandomFlip(), T.RandomShift(2.0), T.Rescale(32), T.Normalize()])


class Classifier(nn.Module):
    """What the Trainer wants of a model: columns as keyword arguments in, a dict with `loss` out."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = classifier(classes)

    def forward(self, image: Tensor, label: Tensor, **others: object) -> dict[str, Tensor]:
        """The loss, and scores of classes `(rows, classes)`."""
        scores = self.layers(image)
        return {"loss": nn.functional.cross_entropy(scores, label), "scores": scores}


def accuracy(answers: EvalPrediction) -> dict[str, float]:
    """How many are named right."""
    return {"accuracy": float((answers.predictions.argmax(1) == answers.label_ids).mean())}


def main(arguments: list[str] | None = None) -> None:
    """Train, and tell how many particles of another seed are named right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # workers have the other cores
    files, count = complexes.structures(options.out / "complexes"), 600 if options.small else 3000
    train = complexes.particles(files, count, snr=0.1).select_columns(["image", "label", "path", "index"])
    held_out = complexes.particles(files, count // 3, snr=0.1, seed=43).select_columns(["image", "label"])
    settings = TrainingArguments(
        output_dir=str(options.out / "hf_trainer"),
        num_train_epochs=4 if options.small else 6,
        per_device_train_batch_size=64,
        per_device_eval_batch_size=256,
        learning_rate=5e-3,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        dataloader_num_workers=2,
        dataloader_persistent_workers=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,  # the model does not take `path` and `index`: AUGMENT does
        label_names=["label"],
        report_to="none",
    )
    trainer = Trainer(
        Classifier(train.features["label"].num_classes),
        settings,
        data_collator=T.collate,
        train_dataset=train.with_transform(AUGMENT),
        eval_dataset=held_out.with_transform(PREPARE),
        compute_metrics=accuracy,
        callbacks=[T.EpochCallback(AUGMENT)],
    )
    trainer.train(resume_from_checkpoint=options.resume)
    answers = trainer.predict(held_out.with_transform(PREPARE))
    recipe_plots.classes(options.out / "hf_trainer.png", held_out, answers, trainer.state.log_history)


if __name__ == "__main__":
    main()
