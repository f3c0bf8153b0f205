"""Trains the student against the clock: the learning rate follows the share of the time budget that is spent.

Constant after a short warm-up, then falling linearly to zero over the last part. The first epochs take nearly all stories,
those that begin after BROAD of the budget only the ones that surprised the teacher least. Training may be cut at any
moment and resumed from its checkpoint.
"""
import time
from dataclasses import asdict
from pathlib import Path

import torch

from batches import Batch, Batches, Stories, most_documents
from muon import MuonWithAdamW
from student import Student, StudentConfig


BROAD, BROAD_SHARE, BEST_SHARE = 0.35, 0.85, 0.4


def rate_at(progress: float, step: int, warm_up: int, falling: float) -> float:
    """Share of the peak rate; `falling` is the share of the budget over which it falls to zero."""
    return min(1.0, (step + 1) / warm_up, max(0.0, (1 - progress) / falling))


class Trainer:
    def __init__(
        self, config: StudentConfig, tokens: int, device: str, seed: int, muon_rate: float, adam_rate: float, decay: float
    ):
        torch.manual_seed(seed)
        self.device, self.tokens, self.seed = device, tokens, seed
        self.model = Student(config).to(device)
        self.optimizer = MuonWithAdamW(self.model, muon_rate, adam_rate, decay)
        self.elapsed, self.steps, self.resumed_at, self.epoch = 0.0, 0, 0, 0
        self.history: list[list[float]] = []
        on_gpu = device == 'cuda'
        self.loss = torch.compile(self.model.loss, dynamic=False) if on_gpu else self.model.loss

    def forward_backward(self, batch: Batch) -> torch.Tensor:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == 'cuda'):
            loss = self.loss(batch.ids, batch.positions, batch.borders, batch.targets)
        loss.backward()
        return loss.detach()

    def warm_up_compiler(self) -> None:
        """Compiles on a made-up batch of the real shapes; the weights stay as they are."""
        context, most = self.model.config.context, most_documents(self.tokens)
        index = torch.arange(self.tokens, device=self.device)
        borders = torch.arange(most, device=self.device, dtype=torch.int32) * context
        ids = torch.randint(0, self.model.config.vocabulary, (self.tokens,), device=self.device)
        batch = Batch(ids, index % context, borders.clamp(max=self.tokens), ids.roll(-1))
        for _ in range(2):
            self.forward_backward(batch)
            for p in self.model.parameters():
                p.grad = None
        if self.device == 'cuda':
            torch.cuda.synchronize()

    def train(self, stories: Stories, budget: float, stop_at: float, falling: float, log_every: int = 50) -> bool:
        """Trains until `budget` seconds are spent in all, or the clock says `stop_at`. Returns whether the budget is spent."""
        batches = Batches(stories, self.tokens, self.seed, self.epoch)
        before, started = self.elapsed, time.monotonic()
        sums = torch.zeros((), device=self.device)
        first_step, mark, mark_step = self.steps, started, self.steps
        while True:
            self.elapsed = before + time.monotonic() - started
            if self.elapsed >= budget or time.monotonic() >= stop_at:
                break
            since = self.steps - self.resumed_at
            scale = rate_at(self.elapsed / budget, since, 200 if self.resumed_at == 0 else 50, falling)
            share = BROAD_SHARE if self.elapsed < BROAD * budget else BEST_SHARE
            loss = self.forward_backward(batches.next(share))
            self.optimizer.step(scale, 0.85 + 0.10 * min(1.0, self.steps / 300))
            for p in self.model.parameters():
                p.grad = None
            sums += loss
            self.steps += 1
            if self.steps % log_every == 0:
                mean = sums.item() / (self.steps - mark_step)
                now = time.monotonic()
                rate = (self.steps - mark_step) * self.tokens / (now - mark)
                self.history.append([self.steps, round(self.elapsed, 1), mean])
                if self.steps % (10 * log_every) == 0 or self.steps - first_step <= log_every:
                    where = f'step {self.steps} epoch {batches.epoch} {self.elapsed:.0f} s'
                    print(f'{where} loss {mean:.4f} scale {scale:.3f} {rate / 1e6:.2f} M tokens/s', flush=True)
                sums.zero_()
                mark, mark_step = now, self.steps
        if self.device == 'cuda':
            torch.cuda.synchronize()
        self.epoch = batches.epoch + 1
        seconds = time.monotonic() - started
        done = (self.steps - first_step) * self.tokens / 1e6
        print(f'trained {done:.1f} M tokens in {seconds:.1f} s: {done / seconds:.3f} M tokens/s', flush=True)
        return self.elapsed >= budget

    def summary(self) -> dict:
        return {
            'trainSeconds': self.elapsed, 'steps': self.steps, 'tokensAStep': self.tokens,
            'trainedTokens': self.steps * self.tokens, 'epochsBegun': self.epoch, 'broad': [BROAD, BROAD_SHARE],
            'bestShare': BEST_SHARE, 'student': asdict(self.model.config), 'history': self.history,
        }  # fmt: skip

    def save(self, file: Path) -> None:
        state = {
            'model': self.model.state_dict(), 'optimizer': self.optimizer.state_dict(), 'elapsed': self.elapsed,
            'steps': self.steps, 'epoch': self.epoch, 'history': self.history,
        }  # fmt: skip
        torch.save(state, file)

    def resume(self, file: Path) -> None:
        state = torch.load(file, map_location=self.device)
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.elapsed, self.steps, self.epoch, self.history = (state[k] for k in ('elapsed', 'steps', 'epoch', 'history'))
        self.resumed_at = self.steps

    def continue_from(self, weights: dict, summary: dict) -> None:
        """Goes on from exported weights, without the optimizer's state."""
        self.model.load_state_dict(weights)
        self.elapsed, self.steps, self.history = summary['trainSeconds'], summary['steps'], summary['history']
        self.epoch, self.resumed_at = summary['epochsBegun'], self.steps
