#!/bin/sh
# Measures on the GPU of this machine; needs nothing from outside. From an archive that pack.mjs made, or from a checkout:
#   sh bench/gpu/run.sh [--quick] [--help]
# Figures go to $OUT/gpu.json, or ./results/gpu.json.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
node=$root/node
[ -x "$node" ] || node=node
if [ -d "$root/engines" ]; then export SELECTIVE_DPO_ENGINE_DIR="$root/engines"; fi

# A container may lack libraries of the Vulkan loader; of those in the archive only missing ones are used.
missing=$(mktemp -d)
trap 'rm -rf "$missing"' EXIT
known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p || true)
for file in "$root"/lib/*.so*; do
  name=${file##*/}
  case $known in *"$name ("*) ;; *) [ ! -e "$file" ] || ln -s "$file" "$missing/$name" ;; esac
done
path=${LD_LIBRARY_PATH:-}
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib "$missing"; do
  if [ -d "$folder" ]; then path=${path:+$path:}$folder; fi
done
export LD_LIBRARY_PATH="$path"
"$node" "$root/bench/gpu/measure.mjs" "$@"
