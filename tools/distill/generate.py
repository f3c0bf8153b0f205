"""Samples stories from the teacher on one GPU and turns them into a tokenized corpus on the processors meanwhile.

The GPU runs one captured graph a decoding step over all slots; a slot that ends its story starts the next one at once.
Processors cut the stream into texts, train the student's tokenizer on the first of them, and tokenize.
"""
import argparse
import json
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from teacher import Teacher
from tokenize_corpus import extract_texts, join_corpus, tokenize_texts, train_tokenizer

ROWS_A_COPY = 64
ROWS_A_JOB = 512


class Decoder:
    """The teacher's decoding step over `slots` stories, as a CUDA graph; without a GPU (interpreted, for tests) called directly."""

    def __init__(
        self, teacher: Teacher, slots: int, bodies: list[float], opening_heat: float, opening: int, top_p: float, seed: int
    ):
        t, device = teacher, teacher.device
        self.teacher, self.slots, self.seed, self.top_p, self.opening = teacher, slots, seed, top_p, opening

        def empty(*shape: int, dtype: torch.dtype = t.dtype) -> torch.Tensor:
            return torch.zeros(shape, device=device, dtype=dtype)

        self.token = torch.ones(slots, device=device, dtype=torch.int32)
        self.position = empty(slots, dtype=torch.int32)
        self.step = empty(1, dtype=torch.int32)
        self.surprise = empty(slots, dtype=torch.float32)
        self.log = empty(ROWS_A_COPY, slots, dtype=torch.int16)
        self.body_heat = torch.tensor([bodies[i % len(bodies)] for i in range(slots)], device=device)
        self.opening_heat = torch.full((slots,), opening_heat, device=device)
        self.residual = empty(slots, t.hidden, dtype=torch.float32)
        self.normed, self.mixed, self.delta = (empty(slots, t.hidden) for _ in range(3))
        self.qkv, self.gate_up = empty(slots, 3 * t.hidden), empty(slots, 2 * t.intermediate)
        self.inner, self.logits = empty(slots, t.intermediate), empty(slots, t.vocabulary)
        self.keys, self.values = (empty(t.layers, slots, t.heads, t.context, t.head_dim) for _ in range(2))
        self.graph = None

    def norm(self, weight: torch.Tensor, add: bool) -> None:
        from decode_kernels import add_norm

        width = self.teacher.hidden
        add_norm[(self.slots,)](
            self.residual, self.delta, weight, self.normed, self.teacher.epsilon,
            WIDTH=width, PADDED=power_of_two(width), ADD=add, num_warps=2,
        )  # fmt: skip

    def decode(self) -> None:
        from decode_kernels import draw, rotate_and_attend, silu_times

        t = self.teacher
        self.residual.copy_(t.embedding.index_select(0, self.token))
        for index, block in enumerate(t.blocks):
            self.norm(block.attention_norm, add=index > 0)
            torch.mm(self.normed, block.qkv.T, out=self.qkv)
            rotate_and_attend[(self.slots, t.heads)](
                self.qkv, self.keys[index], self.values[index], self.position, t.cosine, t.sine, self.mixed,
                HEADS=t.heads, DIM=t.head_dim, PADDED=power_of_two(t.head_dim), CONTEXT=t.context, TILE=16, num_warps=1,
            )  # fmt: skip
            torch.mm(self.mixed, block.output.T, out=self.delta)
            self.norm(block.mlp_norm, add=True)
            torch.mm(self.normed, block.gate_up.T, out=self.gate_up)
            silu_times[(self.slots,)](
                self.gate_up, self.inner, WIDTH=t.intermediate, PADDED=power_of_two(t.intermediate), num_warps=4
            )
            torch.mm(self.inner, block.down.T, out=self.delta)
        self.norm(t.final_norm, add=True)
        torch.mm(self.normed, t.embedding.T, out=self.logits)
        columns = 64
        draw[(self.slots,)](
            self.logits, self.token, self.position, self.surprise, self.log, self.step, self.opening_heat, self.body_heat,
            self.top_p, self.opening, self.seed, self.slots, ROWS_A_COPY,
            VOCABULARY=t.vocabulary, ROWS=power_of_two(t.vocabulary) // columns, COLUMNS=columns, CONTEXT=t.context,
            num_warps=8,
        )  # fmt: skip
        self.step += 1

    def capture(self) -> None:
        """Warms up outside the graph, captures one step, and starts all slots afresh."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.decode()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.decode()
        self.token.fill_(1)
        self.position.zero_()
        self.surprise.zero_()
        self.step.zero_()

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.graph.replay() if self.graph else self.decode()


def power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()


class Corpus:
    """Hands finished parts of the stream to worker processes and follows their results up."""

    def __init__(self, pool: ProcessPoolExecutor, args: argparse.Namespace, stream_file: Path, slots: int):
        self.pool, self.args, self.stream_file, self.slots = pool, args, stream_file, slots
        self.work, self.workers = args.work, args.workers
        self.tokenizer_file = args.work / 'tokenizer.json'
        self.extracting, self.tokenizing, self.training = [], [], None
        self.texts: list[str] = []
        self.fates = Counter()
        self.rows = 0

    def rows_written(self, rows: int, last: bool = False) -> None:
        while rows - self.rows >= ROWS_A_JOB or (last and rows > self.rows):
            end = min(self.rows + ROWS_A_JOB, rows)
            cuts = np.linspace(0, self.slots, self.workers + 1).astype(int)
            for first, stop in zip(cuts, cuts[1:]):
                out = str(self.work / f'texts-{self.rows}-{first}')
                part = (self.slots, self.rows, end, int(first), int(stop))
                job = self.pool.submit(extract_texts, str(self.stream_file), *part, str(self.args.teacher), out)
                self.extracting.append((job, out))
            self.rows = end
        self.follow_up()

    def follow_up(self, wait: bool = False) -> None:
        still = []
        for job, out in self.extracting:
            if wait or job.done():
                self.fates += job.result()
                self.texts.append(out)
            else:
                still.append((job, out))
        self.extracting = still
        enough = wait or self.fates['kept'] >= self.args.tokenizer_stories
        if self.training is None and enough and not self.tokenizer_file.exists():
            self.training = self.pool.submit(train_tokenizer, list(self.texts), self.args.vocabulary, str(self.tokenizer_file))
        if self.training is not None and (wait or self.training.done()):
            self.training.result()
        if self.tokenizer_file.exists():
            for file in self.texts[len(self.tokenizing) :]:
                out = file.replace('texts-', 'tokens-') + '.npz'
                self.tokenizing.append((self.pool.submit(tokenize_texts, file, str(self.tokenizer_file), out), out))

    def finish(self) -> dict:
        self.follow_up(wait=True)
        for job, _ in self.tokenizing:
            job.result()
        joined = join_corpus([out for _, out in self.tokenizing], self.work)
        return {'fates': dict(self.fates), **joined}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--teacher', type=Path, required=True)
    parser.add_argument('--work', type=Path, required=True)
    parser.add_argument('--seconds', type=float, default=240)
    parser.add_argument('--max-rows', type=int, default=1 << 20)
    parser.add_argument('--slots', type=int, default=16384)
    parser.add_argument('--workers', type=int, default=max(1, (os.cpu_count() or 2) - 3))
    parser.add_argument('--temperatures', type=lambda s: [float(t) for t in s.split(',')], default=[0.5, 0.6, 0.6, 0.7])
    parser.add_argument('--opening-temperature', type=float, default=0.9)
    parser.add_argument('--opening-tokens', type=int, default=32)
    parser.add_argument('--top-p', type=float, default=0.95)
    parser.add_argument('--tokenizer-stories', type=int, default=200_000)
    parser.add_argument('--vocabulary', type=int, default=4096)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    pool = ProcessPoolExecutor(args.workers, get_context('spawn'))

    on_gpu = torch.cuda.is_available()
    teacher = Teacher(args.teacher, 'cuda' if on_gpu else 'cpu', torch.float16 if on_gpu else torch.float32)
    decoder = Decoder(
        teacher, args.slots, args.temperatures, args.opening_temperature, args.opening_tokens, args.top_p, args.seed
    )
    if on_gpu:
        decoder.capture()
    stream_file = args.work / 'stream.i16'
    corpus = Corpus(pool, args, stream_file, args.slots)
    started = time.monotonic()
    rows = 0
    with stream_file.open('wb') as stream, torch.inference_mode():
        copies = [torch.empty(ROWS_A_COPY, args.slots, dtype=torch.int16, pin_memory=on_gpu) for _ in range(2)]
        waiting = None
        while rows < args.max_rows and time.monotonic() - started < args.seconds:
            decoder.run(ROWS_A_COPY)
            copy = copies[rows // ROWS_A_COPY % 2]
            copy.copy_(decoder.log, non_blocking=True)
            event = torch.cuda.Event() if on_gpu else None
            if event:
                event.record()
            rows += ROWS_A_COPY
            if waiting:
                save(stream, *waiting)
                corpus.rows_written(rows - ROWS_A_COPY)
            waiting = (copy, event)
        save(stream, *waiting)
    seconds = time.monotonic() - started
    corpus.rows_written(rows, last=True)
    sampled = rows * args.slots
    print(f'generated {sampled / 1e6:.1f} M tokens in {seconds:.1f} s: {sampled / seconds / 1e6:.3f} M tokens/s', flush=True)
    report = {
        'temperatures': args.temperatures, 'openingTemperature': args.opening_temperature, 'openingTokens': args.opening_tokens,
        'topP': args.top_p, 'seed': args.seed, 'slots': args.slots, 'seconds': seconds, 'teacherTokens': sampled, **corpus.finish(),
    }  # fmt: skip
    (args.work / 'corpus.json').write_text(json.dumps(report, indent=2))
    print(json.dumps(report), flush=True)
    print(f'corpus joined {time.monotonic() - started - seconds:.1f} s later', flush=True)
    pool.shutdown()


def save(stream, copy: torch.Tensor, event) -> None:
    if event:
        event.synchronize()
    stream.write(copy.numpy().tobytes())
    stream.flush()


if __name__ == '__main__':
    main()
