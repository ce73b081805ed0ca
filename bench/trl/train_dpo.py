"""The yardstick: TRL's DPOTrainer on the CPU. Reference log-probs are computed before the clock starts, or, with
--reference, in every step by a second model.

    python train_dpo.py --model DIR --rows ROWS.jsonl --steps 8 --batch 4 --max-length 512 --precision fp32

Prints one JSON line: seconds and loss of every step, peak resident memory in MB.
"""
import argparse
import json
import resource
import tempfile
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer


class StepClock(TrainerCallback):
    def __init__(self):
        self.seconds, self.losses = [], []

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.began)

    def on_log(self, _args, _state, _control, logs=None, **__):
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--reference", help="a model that is run in every step")
    parser.add_argument("--rows", required=True, help="JSON Lines of prompt, chosen, rejected")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--max-length", type=int, required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16-matmul"], default="fp32")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    return parser.parse_args()


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)


def main():
    args = arguments()
    torch.set_num_threads(2)
    if args.precision == "bf16-matmul":
        torch.set_float32_matmul_precision("medium")
    with open(args.rows) as lines:
        rows = [json.loads(line) for line in lines][: args.steps * args.batch]
    clock = StepClock()
    with tempfile.TemporaryDirectory() as out:
        trainer = DPOTrainer(
            model=load(args.model),
            ref_model=load(args.reference) if args.reference else None,
            processing_class=AutoTokenizer.from_pretrained(args.model),
            train_dataset=Dataset.from_list(rows),
            callbacks=[clock],
            args=DPOConfig(
                output_dir=out,
                per_device_train_batch_size=args.batch,
                max_steps=args.steps,
                max_length=args.max_length,
                beta=0.1,
                learning_rate=1e-6,
                lr_scheduler_type="constant",
                warmup_steps=0,
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                precompute_ref_log_probs=args.reference is None,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=args.checkpointing,
                disable_tqdm=True,
                seed=0,
            ),
        )
        trainer.train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": clock.seconds, "losses": clock.losses, "peakRssMb": peak}))


main()
