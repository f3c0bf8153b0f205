"""The whole distillation against the clock: sample a corpus, train the student, export, measure, write sample stories.

Every phase has its budget, and --limit ends a run in time whatever happened. A run that was cut goes on where it stood
when it is started again with the same --work; on another machine, --init takes the last export and a fresh corpus.
"""
import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from batches import Stories
from measure import measure
from student import StudentConfig, load_student, save_student
from train import Trainer

STARTED = time.monotonic()


def say(text: str) -> None:
    print(f'[{time.monotonic() - STARTED:.0f} s] {text}', flush=True)


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, epilog='Unknown options go to generate.py.')
    parser.add_argument('--teacher', type=Path, required=True, help='folder of the teacher checkpoint')
    parser.add_argument('--work', type=Path, required=True, help='folder for the corpus and the checkpoint')
    parser.add_argument('--out', type=Path, required=True, help='folder for the model and the reports')
    parser.add_argument('--texts', type=Path, help='folder of real TinyStories texts, for measuring only')
    parser.add_argument('--init', type=Path, help='an earlier --out to go on from')
    parser.add_argument('--limit', type=float, default=3600, help='seconds this run may take in all')
    parser.add_argument('--generate-seconds', type=float, default=280)
    parser.add_argument('--train-seconds', type=float, default=700, help='of all runs together')
    parser.add_argument('--finish-seconds', type=float, default=60, help='kept for measuring and sampling')
    parser.add_argument('--step-tokens', type=int, default=98304)
    parser.add_argument('--muon-rate', type=float, default=0.02)
    parser.add_argument('--adam-rate', type=float, default=0.003)
    parser.add_argument('--decay', type=float, default=0.05)
    parser.add_argument('--falling', type=float, default=0.6, help='last share of training in which the rate falls')
    parser.add_argument('--layers', type=int, default=8)
    parser.add_argument('--hidden', type=int, default=256)
    parser.add_argument('--heads', type=int, default=8)
    parser.add_argument('--vocabulary', type=int, default=4096)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_known_args()


def start_generator(args: argparse.Namespace, rest: list[str]) -> subprocess.Popen | None:
    if (args.work / 'corpus.json').exists():
        return None
    args.work.mkdir(parents=True, exist_ok=True)
    if args.init:
        shutil.copy(args.init / 'tokenizer.json', args.work / 'tokenizer.json')
    command = [sys.executable, str(Path(__file__).with_name('generate.py'))]
    command += ['--teacher', str(args.teacher), '--work', str(args.work)]
    options = ['--seconds', str(args.generate_seconds), '--seed', str(args.seed), '--vocabulary', str(args.vocabulary)]
    return subprocess.Popen(command + options + rest)


# A chat with a story writer: the messages, run on.
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- message['content'] | trim }}{%- if not loop.last %}{{- ' ' }}{%- endif %}{%- endfor %}"
)


def export(trainer: Trainer, args: argparse.Namespace) -> None:
    save_student(trainer.model, args.out)
    shutil.copy(args.work / 'tokenizer.json', args.out / 'tokenizer.json')
    tokenizer_config = {
        'tokenizer_class': 'PreTrainedTokenizerFast',
        'bos_token': '<|endoftext|>', 'eos_token': '<|endoftext|>', 'pad_token': '<|endoftext|>',
        'model_max_length': trainer.model.config.context, 'clean_up_tokenization_spaces': False,
        'chat_template': CHAT_TEMPLATE,
    }  # fmt: skip
    # Chosen by reading: at temperature 1 openings vary more and stories hold together less often.
    generation = {
        'bos_token_id': 0, 'eos_token_id': 0, 'pad_token_id': 0,
        'do_sample': True, 'temperature': 0.8, 'top_p': 0.95, 'top_k': 0, 'max_new_tokens': 300,
    }  # fmt: skip
    report = {'corpus': json.loads((args.work / 'corpus.json').read_text()), **trainer.summary()}
    for name, content in {'tokenizer_config': tokenizer_config, 'generation_config': generation, 'report': report}.items():
        (args.out / f'{name}.json').write_text(json.dumps(content, indent=2) + '\n')


def main() -> None:
    args, rest = arguments()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    args.out.mkdir(parents=True, exist_ok=True)
    generator = start_generator(args, rest)
    config = StudentConfig(args.vocabulary, args.hidden, args.layers, args.heads)
    trainer = Trainer(config, args.step_tokens, device, args.seed, args.muon_rate, args.adam_rate, args.decay)
    say(f'student of {sum(p.numel() for p in trainer.model.parameters())} parameters')
    checkpoint = args.work / 'train.pt'
    if checkpoint.exists():
        trainer.resume(checkpoint)
    elif args.init:
        trainer.continue_from(load_student(args.init).state_dict(), json.loads((args.init / 'report.json').read_text()))
    trainer.warm_up_compiler()
    say('training step compiled')
    if generator and generator.wait() != 0:
        raise SystemExit('generate.py failed')
    stories = Stories.load(args.work, config.context, device)
    say(f'corpus of {len(stories.lengths)} stories, {len(stories.ids) / 1e6:.1f} M tokens')
    finished = trainer.train(stories, args.train_seconds, STARTED + args.limit - args.finish_seconds, args.falling)
    trainer.save(checkpoint)
    export(trainer, args)
    say('exported')
    if not finished:
        say('training goes on in the next run')
        return
    held_out = json.loads((args.work / 'held-out.json').read_text())
    losses = measure(load_student(args.out), args.out / 'tokenizer.json', args.teacher, held_out, args.texts, device)
    report = json.loads((args.out / 'report.json').read_text()) | {'losses': losses}
    (args.out / 'report.json').write_text(json.dumps(report, indent=2) + '\n')
    say(json.dumps(losses))
    from sample import stories as write_stories

    written = write_stories(args.out, device, args.seed)
    (args.out / 'stories.json').write_text(json.dumps(written, indent=1))
    say(f'{sum(s["ended"] for s in written)} of {len(written)} sample stories ended')


if __name__ == '__main__':
    main()
