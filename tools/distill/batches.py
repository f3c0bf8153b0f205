"""Training batches: one flat stream of documents an epoch, cut into steps of equally many tokens, built on the device."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

END_OF_TEXT_ID = 0
GROUP, SINGLE = 64, 52


@dataclass
class Batch:
    ids: torch.Tensor
    positions: torch.Tensor
    borders: torch.Tensor
    targets: torch.Tensor


class Stories:
    """All stories on the device. Of each GROUP in an epoch's order, SINGLE stories are documents of their own, half of them
    led by the end-of-text token; the rest run on through documents that fill the whole context, so that every position
    is trained and a story may follow a story.
    """

    def __init__(self, ids: np.ndarray, lengths: np.ndarray, surprise: np.ndarray, context: int, device: str):
        self.ids = torch.from_numpy(ids.view(np.int16)).to(device)
        self.lengths = torch.from_numpy(lengths.astype(np.int64)).to(device)
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.least_surprising_first = torch.from_numpy(np.argsort(surprise, kind='stable')).to(device)
        self.context, self.device = context, device

    @staticmethod
    def load(work: Path, context: int, device: str) -> 'Stories':
        ids, lengths, surprise = (np.load(work / f'train-{name}.npy') for name in ('ids', 'lengths', 'surprise'))
        return Stories(ids, lengths, surprise, context, device)

    def epoch(self, seed: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (int16) and positions (int16) of the least surprising share of the stories in random order, end to end."""
        chance = torch.Generator(self.device).manual_seed(seed)
        count = int(len(self.lengths) * share)
        order = self.least_surprising_first[torch.randperm(count, generator=chance, device=self.device)]
        place = torch.arange(count, device=self.device)
        single = place % GROUP < SINGLE
        led = (single & (torch.rand(count, generator=chance, device=self.device) < 0.5)).long()
        lengths = self.lengths[order] + 1 + led
        begins = lengths.cumsum(0) - lengths
        # A running document's positions count from the first running story of its group.
        first = torch.where(single, place, place - place % GROUP + SINGLE)
        origin = begins[first]
        story = torch.repeat_interleave(place, lengths)
        index = torch.arange(len(story), device=self.device)
        within = index - begins[story] - led[story]
        inside = (within >= 0) & (within < self.lengths[order][story])
        source = self.starts[order][story] + within
        ids = torch.where(inside, self.ids[source.clamp(0, len(self.ids) - 1)], END_OF_TEXT_ID).to(torch.int16)
        return ids, ((index - origin[story]) % self.context).to(torch.int16)


def most_documents(tokens: int) -> int:
    """Room for documents in a batch; stories are about 170 tokens long."""
    return tokens // 96


class Batches:
    """Endless batches of `tokens` tokens. A document cut by a batch's end loses its tail's earlier context, nothing else."""

    def __init__(self, stories: Stories, tokens: int, seed: int, epoch: int = 0):
        self.stories, self.tokens, self.seed, self.epoch = stories, tokens, seed, epoch
        self.most_documents = most_documents(tokens)
        self.cursor, self.ids = 0, None

    def start_epoch(self, share: float) -> None:
        self.ids = self.positions = None
        self.ids, self.positions = self.stories.epoch(self.seed * 1000 + self.epoch, share)
        self.document_starts = torch.nonzero(self.positions == 0).flatten().cpu().numpy()
        self.cursor = 0

    def next(self, share: float) -> Batch:
        """share: of the stories, should a new epoch begin."""
        if self.ids is None or self.cursor + self.tokens + 1 > len(self.ids):
            if self.ids is not None:
                self.epoch += 1
            self.start_epoch(share)
        a, b = self.cursor, self.cursor + self.tokens
        self.cursor = b
        first, last = np.searchsorted(self.document_starts, [a + 1, b])
        starts = self.document_starts[first:last] - a
        assert len(starts) + 2 <= self.most_documents, 'documents far shorter than expected'
        borders = torch.full((self.most_documents,), self.tokens, dtype=torch.int32)
        borders[0] = 0
        borders[1 : len(starts) + 1] = torch.from_numpy(starts.astype(np.int32))
        positions = self.positions[a : b + 1].to(torch.int64)
        targets = self.ids[a + 1 : b + 1].to(torch.int64)
        targets = torch.where(positions[1:] == 0, -100, targets)
        on_gpu = self.ids.is_cuda
        borders = (borders.pin_memory() if on_gpu else borders).to(self.ids.device, non_blocking=True)
        return Batch(self.ids[a:b].to(torch.int64), positions[:-1], borders, targets)
