"""The yardstick: greedy generation with transformers and its key-value cache, on the CPU in float32.

    python generate.py --model DIR --prompts '[[1, 2], [3, 4]]' --new-tokens 64

Prompts have one length. Warms up once, then prints one JSON line: seconds, and the new tokens of each prompt.
"""
import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True, help="JSON list of lists of token ids")
    parser.add_argument("--new-tokens", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(2)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32).eval()
    prompts = torch.tensor(json.loads(given.prompts))

    def run():
        with torch.inference_mode():
            return model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                max_new_tokens=given.new_tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
                use_cache=True,
            )

    run()
    started = time.perf_counter()
    tokens = run()[:, prompts.shape[1] :]
    print(json.dumps({"seconds": time.perf_counter() - started, "tokens": tokens.tolist()}))


main()
