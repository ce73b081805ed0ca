#!/bin/bash
# Four workers on this machine, or on several that share the folder (parallel --sshloginfile), then the merge; then a sweep.
#   REFERENCE=… DATA=… POLICY=… CACHE=… bash parallel.sh sweep.yaml
set -euo pipefail

: "${REFERENCE:?folder of the reference model}" "${DATA:?preference rows}" "${POLICY:?folder of the policy, for its tokenizer}"
: "${CACHE:?folder of the cache}"
workers=4

seq 0 $((workers - 1)) | parallel --jobs "$workers" --retries 3 --halt soon,fail=1 \
  npx sdpo score --model "$REFERENCE" --data "$DATA" --tokenizer "$POLICY" --out "$CACHE" \
  --shard-index '{}' --shard-count "$workers"
npx sdpo cache merge "$CACHE"

if [ $# -gt 0 ]; then
  npx sdpo sweep "$1" --out sweep --print-commands | parallel --jobs 2 --retries 3
  npx sdpo sweep "$1" --out sweep --collect
fi
