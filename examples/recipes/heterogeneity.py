"""Heterogeneity: a variational autoencoder of volumes, given each particle's pose and CTF, tells three states apart."""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from examples import complexes, recipe_plots

F = T.functional
BOX, PIXEL_SIZE, SNR = 32, 6.0, 0.3
PREPARE = T.Compose([T.PhaseFlip(), T.Normalize()])


class VolumeVAE(nn.Module):
    """Volumes `mean + z1 * first + z2 * second`, and an encoder that looks at an image through their slices."""

    def __init__(self) -> None:
        super().__init__()
        self.volumes = nn.Parameter(1e-3 * torch.randn(3, BOX, BOX, BOX))
        self.encoder = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 4))

    def seen(self, pose: dict[str, Tensor], ctf: dict[str, Tensor]) -> Tensor:
        """The three volumes as each particle's microscope saw them: `(rows, 3, BOX * BOX)`."""
        rotations = F.matrices_of(torch.stack([pose[name] for name in ("rot", "tilt", "psi")], -1))
        shifts = -torch.stack([pose["shift_x"], pose["shift_y"]], -1) / PIXEL_SIZE  # origins in Å -> shifts in pixels
        volumes = [F.volume_transform(v, oversampling=1.5, cutoff=0.3, taps=3) for v in self.volumes]  # up to 20 Å
        slices = torch.stack([F.central_slices(v, rotations, shifts=shifts) for v in volumes], 1)
        contrast = F.ctf((BOX, BOX), pixel_size=PIXEL_SIZE, like=self.volumes, **ctf).abs()  # phases are flipped
        return torch.fft.irfft2(slices * contrast[:, None], s=(BOX, BOX)).flatten(2)

    def forward(self, batch: dict) -> tuple[Tensor, Tensor]:
        """Places in latent space, and the loss: minus the evidence lower bound, in nats a particle."""
        image, (mean, basis) = batch["image"].flatten(1), self.seen(batch["pose"], batch["ctf"]).split([1, 2], 1)
        slices, rest = basis.detach(), image - mean[:, 0].detach()
        inputs = torch.cat([(slices @ rest[..., None]).flatten(1), (slices @ slices.mT).flatten(1)], 1)
        z, log_variance = self.encoder(inputs).chunk(2, 1)
        drawn = z + torch.randn_like(z) * (log_variance / 2).exp() if self.training else z
        wrong = image - mean[:, 0] - (drawn[..., None] * basis).sum(1)  # the noise has the variance 1 / (1 + SNR)
        divergence = (z**2 + log_variance.exp() - log_variance - 1).sum(1) / 2
        return z, (wrong.square().sum(1) * (1 + SNR) / 2 + divergence).mean()


def main(arguments: list[str] | None = None) -> None:
    """Train, and hold the latent space against the states, which training never sees, and against PCA of the images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # workers have the other cores
    made = {"structures": complexes.moving(options.out / "complexes"), "box_size": BOX, "pixel_size": PIXEL_SIZE}
    made |= {"snr": SNR, "defocus": (10_000, 20_000), "contrast": "bright", "max_shift": 6.0, "split": "train"}
    ds = load_dataset("synthetic", num_examples=768 if options.small else 3072, **made).with_transform(PREPARE)
    loader = DataLoader(ds, 64, shuffle=True, num_workers=2, persistent_workers=True, collate_fn=T.collate)
    model = VolumeVAE()
    optimizer = torch.optim.Adam([{"params": [model.volumes], "lr": 0.02}, {"params": model.encoder.parameters()}])
    for epoch in range(6):
        for batch in loader:
            loss = model(batch)[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: {loss.item():.1f} nats a particle, in the last batch")
    with torch.inference_mode():  # of the particles that it was trained on, as in cryoDRGN
        found = [(model.eval()(batch)[0], batch["image"].flatten(1), batch["state"]) for batch in loader]
    z, images, states = (torch.cat(column) for column in zip(*found, strict=True))
    components = images @ torch.pca_lowrank(images, 2)[2]
    recipe_plots.latent_space(options.out / "heterogeneity.png", z, components, states, model.volumes.detach(), made)


if __name__ == "__main__":
    main()
