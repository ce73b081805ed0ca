"""The yardstick: log-probs of response tokens with transformers on the CPU, in padded batches of like length.

    python score.py --model DIR --rows ROWS.jsonl --batch 8 --max-length 512 --head all --out LOGPS.jsonl

Sequences are sorted by length and padded on the right, so causal attention needs no mask. `--head all` is the usual call,
logits of every position, of which only a response's are normalised; `--head response` runs the output projection on those
positions alone. Prints one JSON line: seconds from texts to log-probs (of the clock, of the processor), tokens, peak
resident memory in MB.
"""
import argparse
import json
import resource
import time
import types

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", required=True, help="JSON Lines of prompt, chosen, rejected")
    parser.add_argument("--batch", type=int, required=True, help="sequences padded together")
    parser.add_argument("--max-length", type=int, required=True)
    parser.add_argument("--head", choices=["all", "response"], default="all")
    parser.add_argument("--precision", choices=["fp32", "bf16-matmul"], default="fp32")
    parser.add_argument("--exact-angles", action="store_true", help="rotary angles in float64, for comparing values")
    parser.add_argument("--out", help="JSON Lines of ids and logps, two lines a row: chosen, rejected")
    return parser.parse_args()


def tokenize(rows, tokenizer, max_length):
    """Two sequences a row: (ids, first place of the response). The prompt is what all three texts begin with."""
    eos = tokenizer.eos_token_id
    texts = [row["prompt"] + answer for row in rows for answer in ("", row["chosen"], row["rejected"])]
    ids = tokenizer(texts)["input_ids"]
    sequences = []
    for prompt, chosen, rejected in zip(ids[0::3], ids[1::3], ids[2::3]):
        answers = [one if one[-1] == eos else one + [eos] for one in (chosen, rejected)]
        start = min(common_prefix(prompt, answer) for answer in answers)
        sequences += [(answer[:max_length], start) for answer in answers]
    return sequences


def common_prefix(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def score(model, sequences, batch, head):
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i][0]))
    logps = [None] * len(sequences)
    for begin in range(0, len(order), batch):
        members = order[begin : begin + batch]
        ids = torch.zeros(len(members), len(sequences[members[0]][0]), dtype=torch.long)
        for place, i in enumerate(members):
            ids[place, : len(sequences[i][0])] = torch.tensor(sequences[i][0])
        spans = [(place, sequences[i][1], len(sequences[i][0])) for place, i in enumerate(members)]
        for i, own in zip(members, batch_logps(model, ids, spans, head)):
            logps[i] = own
    return logps


def batch_logps(model, ids, spans, head):
    """Log-probs of the tokens [start, end) of each sequence."""
    if head == "all":
        logits = model(ids, use_cache=False).logits
        rows = [logits[place, start - 1 : end - 1] for place, start, end in spans]
    else:
        hidden = model.model(ids, use_cache=False).last_hidden_state
        kept = torch.cat([hidden[place, start - 1 : end - 1] for place, start, end in spans])
        rows = model.lm_head(kept).split([end - start for _, start, end in spans])
    for own, (place, start, end) in zip(rows, spans):
        targets = ids[place, start:end, None]
        yield own.gather(1, targets)[:, 0] - own.logsumexp(1)


def exact_angles(model):
    """transformers multiplies position and frequency in float32, whatever the model's type: some 3e-5 off at position 500."""
    rope = getattr(model.config, "rope_parameters", None) or {"rope_theta": model.config.rope_theta}
    if rope.get("rope_type", "default") != "default":
        return
    size = getattr(model.config, "head_dim", None) or model.config.hidden_size // model.config.num_attention_heads
    frequencies = rope["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)

    def tables(_, x, position_ids, *rest, **others):
        angles = position_ids[..., None] * frequencies
        both = torch.cat((angles, angles), -1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)

    model.model.rotary_emb.forward = types.MethodType(tables, model.model.rotary_emb)


def main():
    args = arguments()
    torch.set_num_threads(2)
    if args.precision == "bf16-matmul":
        torch.set_float32_matmul_precision("medium")
    with open(args.rows) as lines:
        rows = [json.loads(line) for line in lines]
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    if args.exact_angles:
        exact_angles(model)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    began, processor = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        sequences = tokenize(rows, tokenizer, args.max_length)
        logps = score(model, sequences, args.batch, args.head)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if args.out:
        with open(args.out, "w") as out:
            for (ids, start), own in zip(sequences, logps):
                out.write(json.dumps({"ids": ids, "start": start, "logps": own.tolist()}) + "\n")
    tokens = sum(len(ids) for ids, _ in sequences)
    response = sum(len(own) for own in logps)
    figures = {"seconds": seconds, "processorSeconds": processor, "tokens": tokens, "responseTokens": response}
    print(json.dumps({**figures, "peakRssMb": peak}))


main()
