#!/usr/bin/env bash
# The whole list of measurements on a rented GPU, in one call, out of the folder that pack.mjs made.
#
#   OUT=results ./run.sh           everything; no step takes longer than its limit below
#   OUT=results QUICK=1 ./run.sh   small sizes, to see that everything runs; also on a software adapter
#
# OUT gets report.md (every table), results.json (every sample) and log.txt. STEPS="kernels encoder" runs only those.
# Steps: doctor verify kernels portable ladder encoder step host distill peers pytorch.
set -uo pipefail

kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:?set OUT to a folder for the results}
work=${WORK:-$(mktemp -d)}
steps=${STEPS:-doctor verify kernels portable ladder encoder step host distill peers pytorch}
mkdir -p "$out" "$work/parts"
out=$(cd "$out" && pwd)
log=$out/log.txt
: >"$log"

unpack() { # unpack FILE FOLDER
  mkdir -p "$2"
  if command -v xz >/dev/null; then
    tar -xJf "$1" -C "$2"
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$2"
  fi
}
unpack "$kit/node.tar.xz" "$work/bin"
unpack "$kit/app.tar.xz" "$work/app"
[[ -f $kit/goldens.tar.xz ]] && unpack "$kit/goldens.tar.xz" "$work/goldens"
node=$work/bin/node

# The loader, where the machine has only a driver; the machine's own comes first.
mkdir -p "$work/lib"
cp "$kit/libvulkan.so.1" "$work/lib/"
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib

# A driver without a manifest is not found by the loader: NVIDIA's containers often have only the library.
manifests=(/usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d)
if [[ -z ${VK_DRIVER_FILES:-} ]] && ! find "${manifests[@]}" -name '*nvidia*.json' 2>/dev/null | grep -q . &&
  command -v nvidia-smi >/dev/null; then
  found=$(find /usr/local/nvidia /usr -name 'nvidia_icd*.json' 2>/dev/null | head -n 1)
  if [[ -z $found ]]; then
    found=$work/nvidia_icd.json
    echo '{"file_format_version": "1.0.1", "ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.0"}}' >"$found"
  fi
  export VK_DRIVER_FILES=$found
fi

quick=()
patience=1
# A software adapter compiles for minutes where nothing is cached.
[[ -n ${QUICK:-} ]] && quick=(--quick --repeats 2) patience=4
summary=''

# step NAME SECONDS COMMAND…: runs it if asked for, keeps what it prints, goes on whatever happens.
step() {
  local name=$1 limit=$(($2 * patience)) status started=$SECONDS
  shift 2
  [[ " $steps " == *" ${name%%-*} "* ]] || return 0
  echo "== $name" | tee -a "$log"
  (cd "$work/app" && timeout "$limit" "$@") >"$work/parts/$name.txt" 2>>"$log"
  status=$?
  cat "$work/parts/$name.txt" >>"$log"
  summary+="| $name | $status | $((SECONDS - started)) |"$'\n'
  echo "== $name: exit code $status, $((SECONDS - started)) s" | tee -a "$log"
}
promptkd() { echo "$node" dist/cli/main.js "$@"; }
bench() { echo "$node" dist/bench/main.js "$@" --out "$work/parts/${name:-$1}" "${quick[@]}"; }
# named NAME SECONDS BENCH-ARGUMENTS…
named() {
  local name=$1 limit=$2
  shift 2
  # shellcheck disable=SC2046
  step "$name" "$limit" $(bench "$@")
}

nvidia-smi >>"$log" 2>&1
# shellcheck disable=SC2046
step doctor 60 $(promptkd doctor)
if [[ -d $work/goldens ]]; then
  mapfile -t goldens < <(find "$work/goldens" -mindepth 1 -maxdepth 1 -type d)
  # shellcheck disable=SC2046
  step verify 120 $(promptkd verify) "${goldens[@]}"
fi
named kernels 180 kernels --precision f32,f16
named portable 120 kernels --precision f32 --only gemm --level portable
named ladder 90 ladder gemm
if [[ -n ${QUICK:-} ]]; then
  named encoder 120 encoder --batches 1,2 --precision f32,f16
  named step 120 step --batch 2
  named step-f16 120 step --batch 2 --precision f16
else
  named encoder 120 encoder --model ViT-B/16 --batches 1,8,64 --precision f32,f16
  named step 180 step --model ViT-B/16 --teacher ViT-L/14 --classes 100 --batch 8
  named step-f16 120 step --model ViT-B/16 --teacher ViT-L/14 --classes 100 --batch 8 --precision f16
fi
named host 60 host
named distill 120 distill
unpack "$kit/peers.tar.xz" "$work/app/bench/peers"
named peers 300 peers --peers onnxruntime-node --batches 1,64
if python3 -c 'import torch' 2>/dev/null; then
  step pytorch 240 python3 "$kit/pytorch_step.py" --json "$work/parts/pytorch.json" ${QUICK:+--quick}
else
  echo '== pytorch: no torch here, skipped' | tee -a "$log"
fi

# ratio STEP.json: how our stage-2 step compares with PyTorch's of the same precision.
ratio() {
  [[ -f $work/parts/$1 && -f $work/parts/pytorch.json ]] || return 0
  "$node" -e '
    const [ours, torch] = process.argv.slice(1).map((path) => JSON.parse(require("fs").readFileSync(path, "utf8")));
    const step = ours.rows.find(({ stage, mode }) => stage === 2 && mode === undefined);
    const name = step?.dtype === "f16" ? "float16" : "float32";
    const other = torch.rows.find(({ case: text }) => text.startsWith("stage-2 step") && text.endsWith(name));
    if (step && other)
      console.log(`stage-2 step, ${name} (activations ${step.activations}): PyTorch ${other.ms.toFixed(2)} ms, ours ${step.timing.median.toFixed(2)} ms, ` +
        `${(other.ms / step.timing.median).toFixed(2)}x its speed`);
  ' "$work/parts/$1" "$work/parts/pytorch.json"
}

{
  echo '# Measurements on a GPU'
  echo
  echo '| step | exit code | seconds |'
  echo '|---|---:|---:|'
  printf '%s' "$summary"
  echo
  ratio step.json
  ratio step-f16.json
  for part in "$work"/parts/*.txt; do
    echo
    echo "<!-- $(basename "$part" .txt) -->"
    echo
    cat "$part"
  done
} >"$out/report.md"
{
  echo '{'
  first=1
  for part in "$work"/parts/*.json; do
    [[ -f $part ]] || continue
    ((first)) || echo ','
    first=0
    printf '"%s": ' "$(basename "$part" .json)"
    cat "$part"
  done
  echo '}'
} >"$out/results.json"
printf '%s' "$summary"
awk -F'|' '$3 + 0 != 0 { failed = 1 } END { exit failed }' <<<"$summary"
