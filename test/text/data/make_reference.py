"""Writes reference.json and jinja.json: what the Python libraries make of the tokenizers and templates tested here.

    pip install tokenizers==0.23.2 jinja2==3.1.6 && python test/text/data/make_reference.py
"""
import json
import random
from pathlib import Path

import jinja2
import tokenizers
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
WORDS = {**BYTES, "use_regex": True}

TEXTS = [
    "", " ", "the cat sat", " the  sun,\tthe sea; \n\n 123 ships' 1999", "don't DON'T they'll", "a\u00a0b\u3000c\u0085d\ufeffe\u2028f\x1cg",
    "naïve café e\u0301 \u0301x ß İ ﬁ ½ Ⅷ ² ٣٤ ०", "中文 日本語 한국어 𠮷野家", "👋 👩‍👩‍👧‍👦 🇩🇪", "<|im_start|>user\nthe <|im_end|>\n<|endoftext|>",
    "<s>the</s> a<s>", "▁a▁ b Ġ Ċ", "\x00\x01\x7f", "x [N]y  [L]  z [R]  w [W]a [W] _[W] ab cab ab [X] [X]x", "!!!???...---___***", "a" * 70,
    "     x\n     y", "[L][L] [R] [R] [N][N]", "<0x41><0xE4>", "ABC abC 1a2b", "<|im_end", "< s >", "the the the the the the the the the the",
]

ADDED = [
    {"content": "[X]", "normalized": True, "special": False}, {"content": "[N]", "normalized": False, "special": False},
    {"content": "[L]", "normalized": False, "special": True, "lstrip": True}, {"content": "[R]", "normalized": False, "special": True, "rstrip": True},
    {"content": "[W]", "normalized": False, "special": False, "single_word": True}, {"content": "ab", "normalized": True, "special": False, "single_word": True},
]


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def metaspace(scheme, splits):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": splits}


def decoders(*parts):
    return {"type": "Sequence", "decoders": list(parts)}


PRE_TOKENIZERS = {
    "llama 3": sequence(split({"Regex": LLAMA3}, "Isolated"), BYTES),
    "bloom": sequence(split({"Regex": " ?[^(\\s|[.,!?…。，、।۔،])]+"}, "Isolated"), BYTES),
    "falcon": sequence({"type": "Punctuation", "behavior": "Contiguous"}, WORDS, {"type": "Digits", "individual_digits": False}, split({"Regex": "[0-9][0-9][0-9]"}, "Isolated")),
    "gpt_bigcode": sequence({"type": "Digits", "individual_digits": True}, WORDS),
    "prefix space": {**WORDS, "add_prefix_space": True},
    "merged with previous": sequence(split({"String": " "}, "MergedWithPrevious"), BYTES),
    "merged with next": sequence(split({"Regex": "\\p{N}"}, "MergedWithNext"), BYTES),
    "contiguous": sequence(split({"Regex": "\\s"}, "Contiguous"), BYTES),
    "removed": sequence(split({"String": " "}, "Removed"), BYTES),
    "kept": sequence(split({"Regex": "\\w+"}, "Removed", True), BYTES),
    "white space": sequence({"type": "Whitespace"}, BYTES),
    "white space split": sequence({"type": "WhitespaceSplit"}, BYTES),
    "trailing space": sequence(split({"Regex": "\\s+$"}, "Isolated"), BYTES),
}
NORMALIZERS = {
    "nfc": {"type": "NFC"}, "nfkc": {"type": "NFKC"}, "lower case": {"type": "Lowercase"},
    "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
    "replace": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "$&"},
    "no accents": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
}


def variants():
    yield "byte-level", "as it is", {}, False
    yield "byte-fallback", "as it is", {}, False
    for name, part in PRE_TOKENIZERS.items():
        yield "byte-level", name, {"pre_tokenizer": part}, True
    for name, part in NORMALIZERS.items():
        yield "byte-level", name, {"normalizer": part}, True
    for scheme in ["always", "first", "never"]:
        for splits in [True, False]:
            part = metaspace(scheme, splits)
            yield "byte-fallback", f"metaspace {scheme} {splits}", {"normalizer": None, "pre_tokenizer": part, "decoder": part}, True
    gemma = {
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "pre_tokenizer": split({"String": " "}, "MergedWithPrevious"),
        "decoder": decoders({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}),
    }
    yield "byte-fallback", "gemma", gemma, True
    yield "byte-fallback", "unknown, fused", {"model": {"byte_fallback": False}}, True
    yield "byte-fallback", "unknown, one by one", {"model": {"byte_fallback": False, "fuse_unk": False}}, False
    yield "byte-fallback", "unknown, dropped", {"model": {"byte_fallback": False, "unk_token": None}}, False
    yield "byte-level", "whole words first", {"model": {"ignore_merges": True}}, False
    yield "byte-fallback", "no decoder", {"decoder": None}, False
    yield "byte-fallback", "end of word", {"decoder": {"type": "BPEDecoder", "suffix": "▁"}}, False
    odd = decoders({"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "▁▁"}, "content": "<>"}, {"type": "Strip", "content": "a", "start": 2, "stop": 0})
    yield "byte-fallback", "replaced after fusing", {"decoder": odd}, False


def build(base, patch, added):
    json_ = json.loads((HERE / f"{base}.json").read_text())
    json_ = {**json_, **patch, "model": {**json_["model"], **patch.get("model", {})}}
    if added:
        flags = {"single_word": False, "lstrip": False, "rstrip": False}
        first = len(json_["model"]["vocab"])
        fresh = [{**flags, **token} for token in ADDED]
        for token in fresh:
            known = json_["model"]["vocab"].get(token["content"])
            token["id"] = first if known is None else known
            first += known is None
        json_["added_tokens"] = json_["added_tokens"] + fresh
    return json_


def tokenizer_cases():
    draw = random.Random(7)
    for base, name, patch, added in variants():
        json_ = build(base, patch, added)
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(json_))
        size = tokenizer.get_vocab_size()
        sequences = [[draw.randrange(259) if draw.random() < 0.5 else draw.randrange(size + 2) for _ in range(draw.randrange(14))] for _ in range(10)]
        case = {"base": base, "name": name, "patch": patch, "added": json_["added_tokens"] if added else None, "sequences": sequences}
        tokenizer.encode_special_tokens = False
        case["encoded"] = [tokenizer.encode(text).ids for text in TEXTS]
        tokenizer.encode_special_tokens = True
        case["plain"] = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
        case["decoded"] = [tokenizer.decode(ids, skip_special_tokens=False) for ids in sequences]
        case["skipped"] = [tokenizer.decode(ids, skip_special_tokens=True) for ids in sequences]
        yield case


VARIABLES = {
    "n": None, "t": True, "f": False, "i": 7, "x": 2.5, "e": "", "l": ["a", "b"], "d": {"k": "v", "z": {"y": [1, 2.5, True, None]}}, "s": "hello world foo",
    "q": "it's \"q\" \\ \n\u200b 猫😀", "u": " \x1c\ufeff é \u0085", "b": "<s>",
    "m": [{"role": "user", "content": "  Hi <b> \n there "}, {"role": "assistant", "content": None, "calls": [{"name": "f"}]}],
}
TEMPLATES = (HERE / "templates.txt").read_text().rstrip("\n").split("\n")


def jinja_cases():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    for template in TEMPLATES:
        source = template.replace("⏎", "\n")
        try:
            yield [source, environment.from_string(source).render(**VARIABLES)]
        except Exception:
            yield [source, None]


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


write("reference.json", {"tokenizers": tokenizers.__version__, "texts": TEXTS, "cases": list(tokenizer_cases())})
write("jinja.json", {"jinja2": jinja2.__version__, "variables": VARIABLES, "cases": list(jinja_cases())})
