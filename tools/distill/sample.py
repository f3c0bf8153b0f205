"""Writes stories with the exported student through transformers, and the numbers that tests of other engines compare with."""
import argparse
import json
from pathlib import Path

import torch

PROMPTS = (
    [''] * 30
    + ['Once upon a time'] * 20
    + [
        'One day, a little girl named Lily found a',
        'There was a small dragon who could not',
        'Tom and his dog went to the beach',
        'The old bear was hungry, so he',
        'Mia had a red balloon.',
        '"Can I come with you?" asked the rabbit.',
        'It was raining and Ben was bored.',
        'In the garden lived a tiny snail named',
        'Sara lost her favorite toy',
        'Once there was a king who wanted',
    ]
)
CHECKED = ['Once upon a time', 'One day, a little girl named Lily found a', 'The old bear was hungry, so he']


def load(folder: Path):
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    return model, PreTrainedTokenizerFast(tokenizer_file=str(folder / 'tokenizer.json'))


@torch.no_grad()
def stories(folder: Path, device: str, seed: int, **settings) -> list[dict]:
    """One story a prompt, under the folder's generation_config unless `settings` say otherwise; one call a distinct prompt."""
    model, tokenizer = load(folder)
    model.to(device)
    written = []
    for prompt in dict.fromkeys(PROMPTS):
        torch.manual_seed(seed)
        # An empty prompt is the end-of-text token alone.
        ids = torch.tensor([tokenizer.encode(prompt) or [model.config.bos_token_id]] * PROMPTS.count(prompt), device=device)
        rows = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        for row in rows.tolist():
            new = row[ids.shape[1] :]
            ended = model.config.eos_token_id in new
            new = new[: new.index(model.config.eos_token_id)] if ended else new
            written.append({'prompt': prompt, 'ended': ended, 'tokens': len(new), 'text': prompt + tokenizer.decode(new)})
    return written


@torch.no_grad()
def greedy_fixture(folder: Path, new_tokens: int = 64) -> list[dict]:
    """Float32 on the stored weights: greedy tokens and the five best logits after the prompt."""
    model, tokenizer = load(folder)
    cases = []
    for prompt in CHECKED:
        ids = tokenizer.encode(prompt)
        row = list(ids)
        # The smallest lead of a chosen token over the second best tells how sure the token sequence is.
        lead = float('inf')
        for step in range(new_tokens):
            logits = model(torch.tensor([row])).logits[0, -1]
            best = logits.topk(5)
            if step == 0:
                top = [{'id': i, 'logit': round(v, 5)} for i, v in zip(best.indices.tolist(), best.values.tolist())]
            lead = min(lead, (best.values[0] - best.values[1]).item())
            row.append(best.indices[0].item())
        new = row[len(ids) :]
        greedy = {'greedyIds': new, 'greedyText': tokenizer.decode(new), 'smallestLead': round(lead, 5)}
        cases.append({'prompt': prompt, 'ids': ids, 'top5': top, **greedy})
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, required=True)
    parser.add_argument('--stories', type=Path, help='write stories here, as JSON')
    parser.add_argument('--fixture', type=Path, help='write the greedy check here, as JSON')
    parser.add_argument('--temperature', type=float)
    parser.add_argument('--top-p', type=float)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    settings = {k: v for k, v in {'temperature': args.temperature, 'top_p': args.top_p}.items() if v is not None}
    if args.stories:
        args.stories.write_text(json.dumps(stories(args.model, device, args.seed, **settings), indent=1))
    if args.fixture:
        args.fixture.write_text(json.dumps(greedy_fixture(args.model), indent=1) + '\n')


if __name__ == '__main__':
    main()
