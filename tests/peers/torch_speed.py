#!/usr/bin/env python3
"""Prefill and picture encoding beside torch, in turns: the shape of a Gemma 3n or Gemma 3 with random weights, on this CPU.

    tests/peers/torch_speed.py --python VENV/bin/python [--shape CONFIG.json] [--threads N] [--rounds R] [--prefill N]

VENV has torch, transformers and timm.  Every round runs build/whinchat bench, then torch in bf16, then torch in f32, each in a
process of its own, and prints its figures; the last lines are medians.  torch's tables of embeddings are cut to the ids that
the prompt uses, which spares it memory and costs it nothing; the convolutional tower is tried in both memory formats and the
faster counts.  --prefill 0 leaves the text out.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IDS = 512  # rows of the cut tables
SIDE = 768


def timed(run, repeat):
    """The median of repeat calls in seconds, after one that does not count."""
    run()
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def text_seconds(config, prefill, repeat):
    """Of a prefill, in torch's default dtype."""
    import torch
    import transformers

    kind = "Gemma3n" if config["model_type"] == "gemma3n" else "Gemma3"
    text = dict(config["text_config"], vocab_size=IDS, vocab_size_per_layer_input=IDS, pad_token_id=0)
    for name in ("rope_theta", "rope_local_base_freq", "rope_scaling"):
        text.pop(name, None)
    model = getattr(transformers, kind + "TextModel")(getattr(transformers, kind + "TextConfig")(**text)).eval()
    ids = (torch.arange(prefill) * 7 % IDS).unsqueeze(0)
    return timed(lambda: model(input_ids=ids, use_cache=True), repeat)


def siglip_seconds(config, repeat):
    """Of a picture through Gemma 3's tower; its projector is left out."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    tower = SiglipVisionModel(SiglipVisionConfig(**config["vision_config"])).eval()
    side = config["vision_config"]["image_size"]
    pixels = torch.rand(1, 3, side, side)
    return timed(lambda: tower(pixels), repeat)


def mobilenet_seconds(repeat):
    """Of a picture through Gemma 3n's tower."""
    import timm
    import torch

    tower = timm.create_model("mobilenetv5_300m_enc", pretrained=False).to(torch.get_default_dtype()).eval()
    pixels = torch.rand(1, 3, SIDE, SIDE)
    seconds = timed(lambda: tower(pixels), repeat)
    tower, pixels = tower.to(memory_format=torch.channels_last), pixels.to(memory_format=torch.channels_last)
    return min(seconds, timed(lambda: tower(pixels), repeat))


def torch_figures(shape, dtype, threads, prefill, repeat):
    """Seconds of a prefill and of a picture."""
    import torch

    config = json.loads(Path(shape).read_text())
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(getattr(torch, dtype))
    seconds = {"prefill": text_seconds(config, prefill, repeat)} if prefill else {}
    seconds["image"] = mobilenet_seconds(repeat) if config["model_type"] == "gemma3n" else siglip_seconds(config, repeat)
    return seconds


def our_figures(args):
    """What bench prints."""
    command = [ROOT / "build/whinchat", "bench", "--shape", args.shape, "--dtype", "bf16", "--prefill", args.prefill,
               "--decode", 16 if args.prefill else 0, "--image", "--threads", args.threads, "--repeat", args.repeat, "--json"]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    text = {"prefill": args.prefill / figures["prefill_tokens_per_second"],
            "decode_tokens_per_second": figures["decode_tokens_per_second"]} if args.prefill else {}
    return {**text, "image": figures["image_encode_seconds"],
            **{name: figures[name] for name in figures if "share" in name or "ceiling" in name or "peak" in name}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has torch, transformers and timm")
    parser.add_argument("--shape", default=str(ROOT / "recipes/shapes/gemma-3n-E2B.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dtypes", nargs="+", choices=["bfloat16", "float16", "float32"], default=["bfloat16", "float32"],
                        help="those of torch; its bfloat16 takes many minutes where the CPU has no product of bf16")
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.dtype:
        print(json.dumps(torch_figures(args.shape, args.dtype, args.threads, args.prefill, args.repeat)))
        return
    rounds = {"whinchat": [], **{"torch " + dtype: [] for dtype in args.dtypes}}
    for _ in range(args.rounds):
        for name, figures in rounds.items():
            if name == "whinchat":
                figures.append(our_figures(args))
            else:
                done = subprocess.run([args.python, __file__, "--dtype", name.split()[1], "--shape", args.shape, "--threads",
                                       str(args.threads), "--prefill", str(args.prefill), "--repeat", str(args.repeat)],
                                      check=True, stdout=subprocess.PIPE, text=True)
                figures.append(json.loads(done.stdout.splitlines()[-1]))
            print(name, json.dumps(figures[-1]), flush=True)
    for name, figures in rounds.items():
        print("median:", name, json.dumps({key: statistics.median(f[key] for f in figures) for key in figures[0]}))


if __name__ == "__main__":
    main()
