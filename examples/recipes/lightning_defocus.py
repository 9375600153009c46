"""A network trained by Lightning that tells the defocus of boxes of ice and protein by their power spectra."""

import argparse
from pathlib import Path

import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from examples import complexes, recipe_plots

SIDE, LOW, HIGH = 56, 8_000.0, 25_000.0  # pixels of 4 Å; Å of defocus
PREPARE, AUGMENT = (T.Compose([crop(SIDE), T.Normalize()]) for crop in (T.CenterCrop, T.RandomCrop))


class Defocus(LightningModule):
    """Images -> the defocus of each, by the mean of its power spectrum over each ring."""

    def __init__(self) -> None:
        super().__init__()
        frequencies = torch.fft.fftfreq(SIDE)[:, None].hypot(torch.fft.rfftfreq(SIDE)).flatten()
        rings = nn.functional.one_hot((SIDE * frequencies).round().long())[:, 1 : SIDE // 2].float()
        self.register_buffer("rings", rings / rings.sum(0))
        layers = [nn.BatchNorm1d(rings.shape[1]), nn.Linear(rings.shape[1], 128), nn.ReLU(), nn.Linear(128, 128)]
        self.layers, self.errors = nn.Sequential(*layers, nn.ReLU(), nn.Linear(128, 1)), []

    def forward(self, batch: dict) -> Tensor:
        """Å, `(rows,)`."""
        power = torch.fft.rfft2(batch["image"]).abs().square().flatten(1) @ self.rings
        return LOW + (HIGH - LOW) * self.layers(power.log())[:, 0]

    def training_step(self, batch: dict, number: int) -> Tensor:
        """The mean error, in units of 1000 Å."""
        return (self(batch) - batch["ctf"]["defocus_u"]).abs().mean() / 1000

    def validation_step(self, batch: dict, number: int) -> None:
        """Log the mean error, Å."""
        error = (self(batch) - batch["ctf"]["defocus_u"]).abs().mean()
        self.log("error", error, batch_size=len(batch["image"]), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Keep the mean error for the picture."""
        self.errors.append(float(self.trainer.callback_metrics["error"]))

    def configure_optimizers(self) -> dict:
        """AdamW, whose rate rises and falls once."""
        optimizer = torch.optim.AdamW(self.parameters(), weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main(arguments: list[str] | None = None) -> None:
    """Train, and tell the mean error on boxes of another seed, beside that of always naming the middle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # workers have the other cores
    seed_everything(0)
    made = {"structures": complexes.structures(options.out / "complexes"), "box_size": 64, "pixel_size": 4.0}
    made |= {"defocus": (LOW, HIGH), "snr": 0.05, "ice_snr": 0.5, "split": "train"}
    train = load_dataset("synthetic", num_examples=640 if options.small else 3072, **made).with_transform(AUGMENT)
    held_out = load_dataset("synthetic", num_examples=512, seed=43, **made).with_transform(PREPARE)
    loading = {"num_workers": 2, "persistent_workers": True, "pin_memory": torch.cuda.is_available()}
    train = DataLoader(train, 64, shuffle=True, collate_fn=T.collate, **loading)
    held_out = DataLoader(held_out, 64, collate_fn=T.collate, **loading)
    callbacks = [T.EpochCallback(AUGMENT), ModelCheckpoint(options.out / "lightning_defocus", save_last=True)]
    epochs = 4 if options.small else 16
    trainer, model = Trainer(max_epochs=epochs, callbacks=callbacks, logger=False, num_sanity_val_steps=0), Defocus()
    trainer.fit(model, train, held_out, ckpt_path="last" if options.resume else None)
    recipe_plots.estimates(options.out / "lightning_defocus.png", model, held_out)


if __name__ == "__main__":
    main()
