"""Writes the model card: python card.py <model folder> <eval.json> <notes.txt> (notes: training facts and weak points)"""
import json, os, sys
folder, ev, notes = sys.argv[1:4]
e = json.load(open(ev)); acc = e["accuracy"]; n = sum(v[1] for v in acc.values()); g = sum(v[0] for v in acc.values())
LABEL = {"instrument": "instrument", "brief": "instrument, in a few words", "family": "string, wind, percussion or keyboard", "shirt": "shirt colour", "place": "place",
 "people": "number of people", "hat": "hat: yes or no, and its colour", "hat_colour": "hat colour", "hair": "hair colour", "glasses": "glasses: yes or no", "position": "left, middle or right",
 "describe": "one-sentence description", "long": "long description (all facts right)", "json": "JSON: instrument, shirt", "json_place": "JSON: place, people", "json_all": "JSON: four keys",
 "yes_instrument": "yes or no: instrument", "yes_shirt": "yes or no: shirt", "yes_place": "yes or no: place", "text only": "chat without a picture"}
rows = "\n".join("| %s | %d of %d | %.1f %% |" % (LABEL[k], *acc[k], 100 * acc[k][0] / acc[k][1]) for k in LABEL if k in acc)
inst = ", ".join("%s %d/%d" % (k if k != "object" else "no person", *v) for k, v in e["instrument"].items())
size = os.path.getsize(folder + "/model.safetensors")
t = dict(l.split("=", 1) for l in open(notes).read().strip().split("\n") if "=" in l)
open(folder + "/README.md", "w").write(f"""---
license: apache-2.0
pipeline_tag: image-text-to-text
library_name: transformers
language: en
---
# gemma-3n-mini-it

A miniature Gemma 3n that answers questions about simple drawings. The architecture is `Gemma3nForConditionalGeneration`
with every mechanism of the real model, only smaller: {size / 2**20:.1f} MiB of bfloat16 weights, 3.78 million parameters. It was
made for **whinchat**, a runtime for small language models in C, as its embedded default model and as its test piece.
It holds no weights of Google's Gemma 3n and was trained from scratch on drawings made by a program.

    from transformers import pipeline
    pipe = pipeline(task="image-text-to-text", model="gemma-3n-mini-it", dtype=torch.bfloat16)
    messages = [{{"role": "user", "content": [{{"type": "image", "image": sample_image}},
        {{"type": "text", "text": "What musical instrument is the person playing?"}}]}}]
    out = pipe(text=messages, return_full_text=False)
    out[0]["generated_text"]      # "The person in the image is playing an electric guitar."

(transformers 5.23 wants the picture inside the message; it refuses `images=[...]` beside a chat.)

## What is in it
- Text: 8 layers (3 sliding, 1 full, twice), hidden 128, 4 heads of 32 with 2 key/value heads, window 96, the last 4 layers
  share keys and values, AltUp with 4 inputs, Laurel rank 16, per-layer inputs of 32, activation sparsity 0.95 in the first
  two layers, two rope bases (10 000 and 1 000 000), final soft cap 30.
- Vision: timm's `mobilenetv5_300m_enc` through the timm wrapper with its own `block_args` (18 blocks of the kinds er, uir
  and mqa in 4 stages), pictures of 192 x 192, 36 soft tokens, fusion adapter to 2048 channels (fixed in timm).
- Audio tower: present, as the class cannot do without, smallest sizes, **not trained**: it cannot hear.
- Tokenizer: Gemma-style BPE with byte fallback; 1536 text tokens, 8 vision and 8 audio ids above them.

## How it was trained
{t['TRAINED']}
Training pictures and words come from `recipes/mini/draw.py` and `recipes/mini/qa.py` (people with one of ten instruments in six
places, and plain objects). The tokenizer has also seen the doc strings of Python's standard library, for ordinary
English words. No other data.

## How it was measured
1,000 drawings with seeds never seen in training, eight questions each and one text-only chat; an answer counts only when
the whole sentence is exactly right. Weights in bfloat16, computed in float32; the wanted
answer is read along and counts when each of its tokens is the top one, which is when greedy decoding gives it. All together: {g} of {n}, {100 * g / n:.1f} %.

| question | right | |
|---|---|---|
{rows}

The instrument question by instrument: {inst}.

{t['MEASURED']}

## What it cannot do
It knows the drawings of its own generator and nothing else: no photographs, no other drawing styles, no facts, no
arithmetic, no other language than English. Asked something unknown it mostly says that it is only a miniature; it may
also answer with a wrong sentence in good style. {t['WEAK']}
It is no measure of what the real Gemma 3n can do.

## Licence
Apache-2.0, for the weights, the tokenizer and the scripts.
""")
