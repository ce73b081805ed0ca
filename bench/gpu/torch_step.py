"""PyTorch's own scoring and DPO step, beside the engines: a Llama decoder in plain torch, as TRL computes it, i.e. chosen and
rejected padded to one length, prompts computed twice, logits of every position, AdamW, gradients clipped to norm 1.

    python torch_step.py --model DIR --pairs PAIRS.json --batch 8 --steps 12 [--precisions highest,high] [--values]

PAIRS.json: a list of {prompt, chosen, rejected: ids; refChosen, refRejected: sums of log-probs}. `highest` is float32,
`high` allows TF32 (torch.set_float32_matmul_precision). Prints one JSON line.
"""
import argparse
import json
import struct
import time

import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BETA = 0.1


def read_weights(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.float32, count=(end - begin) // 4, offset=begin)
        weights[name] = flat.reshape(entry["shape"])
    return weights


def turn(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Llama:
    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: w.to(DEVICE, copy=True).requires_grad_() for name, w in weights.items()}

    def norm(self, x, name):
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return x * scale * self.weights[name]

    def attention(self, x, prefix, cos, sin):
        heads, kv_heads = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        rows, length, _ = x.shape

        def project(name, count):
            y = F.linear(x, self.weights[f"{prefix}.{name}_proj.weight"])
            return y.view(rows, length, count, self.config["head_dim"]).transpose(1, 2)

        q, k = turn(project("q", heads), cos, sin), turn(project("k", kv_heads), cos, sin)
        k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, project("v", kv_heads)))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.linear(y.transpose(1, 2).flatten(2), self.weights[f"{prefix}.o_proj.weight"])

    def logits(self, ids):
        dim = self.config["head_dim"]
        frequencies = self.config["rope_theta"] ** -(torch.arange(0, dim, 2, device=DEVICE).double() / dim)
        angles = torch.arange(ids.shape[1], device=DEVICE).double()[:, None] * frequencies
        cos, sin = (f(torch.cat([angles, angles], -1)).float() for f in (torch.cos, torch.sin))
        embedding = self.weights["model.embed_tokens.weight"]
        x = F.embedding(ids, embedding)
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}"
            x = x + self.attention(self.norm(x, f"{at}.input_layernorm.weight"), f"{at}.self_attn", cos, sin)
            y = self.norm(x, f"{at}.post_attention_layernorm.weight")
            gate, up, down = (self.weights[f"{at}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
            x = x + F.linear(F.silu(F.linear(y, gate)) * F.linear(y, up), down)
        return F.linear(self.norm(x, "model.norm.weight"), embedding)


def token_logps(model, pairs):
    """[2·pairs, T − 1] log-probs, first of all chosen, then of all rejected, and the mask of response tokens."""
    sequences = [(p["prompt"], p[side]) for side in ("chosen", "rejected") for p in pairs]
    length = max(len(prompt) + len(answer) for prompt, answer in sequences)
    ids = torch.tensor([[*p, *a, *[0] * (length - len(p) - len(a))] for p, a in sequences], device=DEVICE)
    places = torch.arange(1, length, device=DEVICE)
    begin = torch.tensor([[len(p)] for p, _ in sequences], device=DEVICE)
    end = torch.tensor([[len(p) + len(a)] for p, a in sequences], device=DEVICE)
    logits = model.logits(ids)[:, :-1]
    logps = -F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return logps.view(len(sequences), -1), (places >= begin) & (places < end)


def now():
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.no_grad()
def score(model, pairs, batch):
    """One pass: seconds, and the log-probs of each pair's chosen and then rejected tokens."""
    began, values = now(), []
    for at in range(0, len(pairs), batch):
        some = pairs[at : at + batch]
        logps, mask = (t.cpu() for t in token_logps(model, some))
        values += [(logps[i][mask[i]].tolist(), logps[i + len(some)][mask[i + len(some)]].tolist()) for i in range(len(some))]
    return now() - began, [chosen + rejected for chosen, rejected in values]


def train(model, pairs, args):
    parameters = list(model.weights.values())
    optimizer = torch.optim.AdamW(parameters, lr=args.learning_rate, weight_decay=0)
    losses, seconds = [], []
    for step in range(args.steps):
        some = pairs[step * args.batch : (step + 1) * args.batch]
        began = now()
        logps, mask = token_logps(model, some)
        chosen, rejected = (logps * mask).sum(-1).split(len(some))
        reference = torch.tensor([p["refChosen"] - p["refRejected"] for p in some], device=DEVICE)
        loss = -F.logsigmoid(BETA * (chosen - rejected - reference)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(now() - began)
    return losses, seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--precisions", default="highest")
    parser.add_argument("--values", action="store_true")
    args = parser.parse_args()
    with open(f"{args.model}/config.json") as file:
        config = json.load(file)
    with open(args.pairs) as file:
        pairs = json.load(file)
    weights = read_weights(f"{args.model}/model.safetensors")
    runs = []
    for precision in args.precisions.split(","):
        torch.set_float32_matmul_precision(precision)
        model = Llama(config, weights)
        passes = [score(model, pairs, args.batch) for _ in range(3)]
        losses, seconds = train(model, pairs, args)
        runs.append(
            {
                "precision": precision,
                "scoring": {"seconds": [s for s, _ in passes], "values": passes[0][1] if args.values else None},
                "losses": losses,
                "seconds": seconds,
            }
        )
        del model
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    peak = torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else None
    print(json.dumps({"torch": torch.__version__, "device": name, "peakDeviceMb": peak, "runs": runs}))


main()
