"""Trains with TRL's DPOTrainer on a cache exported by `sdpo cache export CACHE --to trl --out pairs.parquet`.

    python train_with_trl.py POLICY pairs.parquet OUT [KEY=VALUE ...]

The reference is not loaded: its log-probs come from the file, and so do the token ids. KEY=VALUE are fields of DPOConfig.
"""

import json
import sys

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer


class CachedReferenceTrainer(DPOTrainer):
    """DPOTrainer on rows that are tokenised and scored already."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset

    def _precompute_ref_logps(self, dataset, *args, **kwargs):
        return dataset


def main() -> None:
    policy, file, out, *settings = sys.argv[1:]
    options = {key: json.loads(value) for key, value in (setting.split("=", 1) for setting in settings)}
    trainer = CachedReferenceTrainer(
        model=AutoModelForCausalLM.from_pretrained(policy),
        processing_class=AutoTokenizer.from_pretrained(policy),
        train_dataset=Dataset.from_parquet(file),
        args=DPOConfig(output_dir=out, precompute_ref_log_probs=True, **options),
    )
    trainer.train()
    print(json.dumps([line for line in trainer.state.log_history if "loss" in line]))


if __name__ == "__main__":
    main()
