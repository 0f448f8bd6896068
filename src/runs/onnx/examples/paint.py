"""Paints a caption: python paint.py 'red apple' --seed 1 --out painted.png
Needs: pip install onnxruntime numpy pillow tokenizers"""
import argparse, json
from pathlib import Path
import numpy as np
from onnxruntime import InferenceSession
from PIL import Image
from tokenizers import Tokenizer

here = Path(__file__).parent
about = json.loads((here / "painting.json").read_text("utf8"))
flags = argparse.ArgumentParser()
flags.add_argument("caption")
flags.add_argument("--seed", type=int, default=0)
flags.add_argument("--out", default="painted.png")
for name, value in about["sampling"].items():  # temperature, fineTemperature, topK, topP, cfgScale
    flags.add_argument(f"--{name}", type=int if name == "topK" else float, default=value)
asked = flags.parse_args()
decoder, pixels = (InferenceSession(here / f"{name}.onnx") for name in ("decoder", "pixels"))
L, N, first, random = about["captionLength"], about["codes"], about["ids"], np.random.default_rng(asked.seed)

def read_caption(text):  # words, then the pads of the positions that are left
    words = Tokenizer.from_file(str(here / "tokenizer.json")).encode(text).ids[:L]
    return [first["start"]] + [first["caption"] + w for w in words] + [first["pad"] + p for p in range(len(words), L)]

def draw(logits, temperature):
    if temperature == 0: return logits.argmax()
    chances = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    kept = np.argsort(-chances, kind="stable")[: asked.topK or None]
    shares = np.cumsum(chances[kept]) / chances[kept].sum()
    kept = kept[: np.searchsorted(shares, asked.topP) + 1]
    return random.choice(kept, p=chances[kept] / chances[kept].sum())

ids = np.array([read_caption(text) for text in ([asked.caption] if asked.cfgScale == 1 else [asked.caption, ""])])
past = {cache.name: np.zeros((len(ids), *cache.shape[1:]), np.float32) for cache in decoder.get_inputs()[2:]}
positions, codes = np.arange(1 + L), np.zeros((1, N), np.int64)
for place in range(N):
    logits, *present = decoder.run(None, {"ids": ids, "positions": positions, **past})
    temperature = asked.temperature * (1 if place < about["coarse"] else asked.fineTemperature)
    code = draw(logits[-1] + asked.cfgScale * (logits[0] - logits[-1]), temperature)
    codes[0, about["cells"][place]] = code
    past, ids, positions = dict(zip(past, present)), np.full((len(ids), 1), first["code"] + code), np.array([1 + L + place])
Image.fromarray((pixels.run(None, {"codes": codes})[0][0] * 255).round().astype(np.uint8)).save(asked.out)
print(f"{asked.out}: codes {codes[0].tolist()}")
