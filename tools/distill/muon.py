"""Muon (Jordan et al. 2024) for the matrices of the layers and AdamW for everything else.

Muon replaces each matrix's momentum by its nearest semi-orthogonal matrix, found with five Newton-Schulz steps. All
matrices of one shape go through it as one batch; query, key and value count as three matrices.
"""
import torch
from torch import nn


def orthogonalize(x: torch.Tensor) -> torch.Tensor:
    """x: [batch, rows, columns]. Singular values all move near 1; quintic coefficients from the Muon write-up."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = x.shape[1] > x.shape[2]
    y = (x.mT if tall else x).bfloat16()
    y = y / (y.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.mT if tall else y


def square_parts(matrix: torch.Tensor) -> list[torch.Tensor]:
    """Views of the query, key and value matrices of a fused one; other matrices as they are."""
    inputs, outputs = matrix.shape
    return list(matrix.split(inputs, 1)) if outputs == 3 * inputs else [matrix]


class MuonWithAdamW:
    def __init__(self, model: nn.Module, muon_rate: float, adam_rate: float, decay: float):
        self.muon_rate, self.adam_rate, self.decay = muon_rate, adam_rate, decay
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and '.h.' in name]
        others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and '.h.' in name)]
        shapes = sorted({tuple(part.shape) for p in matrices for part in square_parts(p)})
        self.groups = [[p for p in matrices if tuple(square_parts(p)[0].shape) == shape] for shape in shapes]
        self.momenta = [
            torch.stack([torch.zeros_like(part) for p in group for part in square_parts(p.data)]) for group in self.groups
        ]
        fused = others[0].is_cuda
        self.adam = torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=fused)

    @torch.no_grad()
    def step(self, scale: float, momentum: float) -> None:
        """scale: this step's part of the peak learning rates."""
        for group, momenta in zip(self.groups, self.momenta):
            gradient = torch.stack([part for p in group for part in square_parts(p.grad)])
            momenta.lerp_(gradient, 1 - momentum)
            update = orthogonalize(gradient.lerp_(momenta, momentum)).float()
            inputs, outputs = update.shape[1:]
            rate = self.muon_rate * scale
            update *= -rate * max(1.0, outputs / inputs) ** 0.5
            parts = [part for p in group for part in square_parts(p.data)]
            torch._foreach_mul_(parts, 1 - rate * self.decay)
            torch._foreach_add_(parts, list(update))
        for settings in self.adam.param_groups:
            settings['lr'] = self.adam_rate * scale
        self.adam.step()

    def state_dict(self) -> dict:
        return {'momenta': self.momenta, 'adam': self.adam.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        for mine, saved in zip(self.momenta, state['momenta']):
            mine.copy_(saved)
        self.adam.load_state_dict(state['adam'])
