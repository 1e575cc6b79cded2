#!/usr/bin/env bash
# A list of measurements on a rented GPU, most telling first, in one call, out of the folder that pack.mjs made.
#
#   OUT=results ./run.sh           ends after BUDGET seconds (default 350), whatever is not done then is skipped
#   OUT=results QUICK=1 ./run.sh   small sizes and much patience, to see that everything runs; also on a software adapter
#
# OUT gets three files, as the way back may be narrow: report.md (every table), results.json (every sample) and log.txt (every message
# so far). They are whole after every step and while the next one runs, so that a call that is ended from outside loses that step alone.
# STEPS="doctor kernels demo" runs only those, STEPS="kernels-f16" only one of a kind.
set -uo pipefail

kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:?set OUT to a folder for the results}
wanted=${STEPS:-doctor step pytorch start profile kernels encoder peers demo tests verify}
# A software adapter compiles for minutes where nothing is cached.
patience=${QUICK:+5}
patience=${patience:-1}
budget=${BUDGET:-$((350 * patience))}
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/log.txt
: >"$log"
work=${WORK:-}
if [[ -z $work ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
parts=$work/parts
mkdir -p "$parts"

unpack() { # unpack FILE FOLDER
  mkdir -p "$2"
  if command -v xz >/dev/null; then
    tar -xJf "$1" -C "$2"
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$2"
  fi
}
unpack "$kit"/node-*.tar.xz "$work/bin" &
unpack "$kit/libraries.tar.xz" "$work/lib" &
# Where `bench start` looks for them.
[[ -f $kit/goldens.tar.xz ]] && unpack "$kit/goldens.tar.xz" "$work/shared/goldens" &
unpack "$kit/app.tar.xz" "$work/app"
wait
unpack "$kit"/onnxruntime-node-*.tar.xz "$work/app/bench/peers" &
unpack "$kit/tests.tar.xz" "$work/app" &
node=$work/bin/node

# What the driver is linked with, where the machine does not have it: a container often has only the driver.
carried=
installed=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null)
for library in "$work"/lib/*; do
  if grep -qE "^\s*${library##*/} \(libc6,x86-64" <<<"$installed"; then rm "$library"; else carried+=" ${library##*/}"; fi
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib

# A driver without a manifest is not found by the loader: NVIDIA's containers often have only the library.
manifests=(/usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d)
if [[ -z ${VK_DRIVER_FILES:-} && -z $(find "${manifests[@]}" -name '*nvidia*.json' 2>/dev/null) ]] &&
  command -v nvidia-smi >/dev/null; then
  found=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
  [[ -f $found ]] || found=$(find /usr/local/nvidia /usr -name 'nvidia_icd*.json' 2>/dev/null | head -n 1)
  if [[ -z $found ]]; then
    found=$work/nvidia_icd.json
    echo '{"file_format_version": "1.0.1", "ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.0"}}' >"$found"
  fi
  export VK_DRIVER_FILES=$found
fi
# Of the program and of the driver, so that a second call meets what the first one met. The driver makes no folder by itself.
export XDG_CACHE_HOME=$work/cache __GL_SHADER_DISK_CACHE_PATH=$work/cache/nvidia
mkdir -p "$__GL_SHADER_DISK_CACHE_PATH"
# vitest colours what it writes to a file.
export NO_COLOR=1

{
  echo '# Measurements on a GPU'
  echo
  [[ -n ${QUICK:-} ]] && echo '**A rehearsal with small sizes (QUICK=1): nothing here is a figure of a GPU.**' && echo
  echo '| what | value |'
  echo '|---|---|'
  cards=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | paste -sd ';')
  echo "| card, driver | ${cards:-no nvidia-smi here; see doctor} |"
  echo "| date | $(date -u +%Y-%m-%dT%H:%M:%SZ) |"
  echo "| commit of the kit | $(cat "$kit/COMMIT") |"
  echo "| machine | $(nproc) cores, $(uname -s) |"
  echo "| Vulkan | VK_DRIVER_FILES=${VK_DRIVER_FILES:-}, carried libraries in use: $(echo ${carried:-none}) |"
  echo "| budget | $budget s, $SECONDS s of them for unpacking |"
} >"$parts/header.md"
nvidia-smi >>"$log" 2>&1

# Whoever gave the machine may end the call early.
child= ended=
trap 'ended="ended from outside"; [[ -n $child ]] && kill "$child" 2>/dev/null' TERM INT
names=()
declare -A results=() texts=()

# Everything that is known now; a reader never meets half a file.
write_report() {
  local name
  {
    cat "$parts/header.md"
    echo
    echo '| step | how it ended | seconds |'
    echo '|---|---|---:|'
    for name in "${names[@]}"; do echo "| $name | ${results[$name]} |"; done
    if [[ -s $parts/comparison.md ]]; then
      echo
      echo '## Ours beside others'
      echo
      cat "$parts/comparison.md"
    fi
    for name in "${names[@]}"; do
      [[ -n ${texts[$name]:-} ]] || continue
      echo
      echo "## $name: ${results[$name]%% |*}"
      echo
      section "$name" "${texts[$name]}"
    done
  } >"$out/report.md.part"
  mv "$out/report.md.part" "$out/report.md"
}

fenced() {
  echo '````text'
  cat
  echo '````'
}

# section NAME markdown|text: what a step printed. A bench that was stopped has printed nothing, but kept the rows it had.
section() {
  local printed=$parts/$1.txt
  [[ ! -s $printed && -s $parts/$1.md ]] && printed=$parts/$1.md
  if [[ -s $printed && $2 == markdown ]]; then
    sed -E 's/^(#+) /##\1 /' "$printed"
  elif [[ -s $printed ]]; then
    fenced <"$printed"
  fi
  if [[ ${results[$1]} != done* && -s $parts/$1.err ]]; then
    [[ -s $printed ]] && echo
    echo 'The last of its messages:'
    echo
    # Dawn warns of limits that nothing here uses.
    grep -v '^Warning: max' "$parts/$1.err" | tail -n 12 | cut -c -400 | fenced
  fi
}

# step NAME markdown|text SECONDS COMMAND…: runs it if asked for, keeps what it prints, goes on whatever happens.
step() {
  local name=$1 kind=$2 limit=$(($3 * patience)) left=$((budget - SECONDS)) began=$SECONDS before status
  shift 3
  [[ " $wanted " == *" $name "* || " $wanted " == *" ${name%%-*} "* ]] || return 0
  names+=("$name")
  if [[ -n $ended ]] || ((left < 4)); then
    results[$name]="skipped: ${ended:-the budget is spent} | 0"
    echo "== $name: skipped"
    write_report
    return 0
  fi
  # The last seconds are for a process that does not end when it is told to.
  ((limit > left - 3)) && limit=$((left - 3))
  results[$name]='running, or ended from outside | '
  echo "== $name" | tee -a "$log"
  write_report
  before=$(wc -l <"$log")
  (cd "$work/app" && exec timeout -k 2 "$limit" "$@") >"$parts/$name.txt" 2>>"$log" &
  child=$!
  wait "$child"
  status=$?
  # A signal interrupts the wait.
  [[ -n $ended ]] && wait "$child"
  tail -n "+$((before + 1))" "$log" >"$parts/$name.err"
  texts[$name]=$kind
  case $status in
    0) results[$name]='done' ;;
    124 | 137 | 143) results[$name]="stopped${ended:+, $ended,} after $((SECONDS - began)) of $limit s: what is here is incomplete" ;;
    *) results[$name]="failed with exit code $status" ;;
  esac
  echo "== $name: ${results[$name]}, $((SECONDS - began)) s"
  results[$name]+=" | $((SECONDS - began))"
  "$node" "$work/app/dist/bench/gpu/collect.js" "$parts" "$out" || true
  write_report
}
promptkd() { # promptkd NAME SECONDS ARGUMENTS…
  local name=$1 limit=$2
  shift 2
  step "$name" text "$limit" "$node" dist/cli/main.js "$@"
}
bench() { # bench NAME SECONDS ARGUMENTS…
  local name=$1 limit=$2
  shift 2
  step "$name" markdown "$limit" "$node" dist/bench/main.js "$@" --out "$parts/$name"
}
# Found by its file, as an import of it takes seconds.
torch=$(python3 -c 'from importlib.util import find_spec; print(find_spec("torch") is not None)' 2>/dev/null)
pytorch() { # pytorch GROUP SECONDS
  [[ $torch == True ]] || return 0
  step "pytorch-$1" markdown "$2" python3 "$kit/pytorch_step.py" --only "$1" --json "$parts/pytorch-$1.json" \
    ${QUICK:+--quick --repeats 2}
}

quick=(${QUICK:+--quick --repeats 2})
if [[ -n ${QUICK:-} ]]; then
  sizes=(--batch 2)
  models=(--quick)
  batches=1,2
  peers=(--batches 1 --repeats 1)
  # Every file is loaded, few tests are run.
  tests=(-t 'softmax|QuickGELU|Adam')
else
  sizes=(--model ViT-B/16 --teacher ViT-L/14 --classes 100 --batch 8)
  models=(--models ViT-L/14,ViT-B/16)
  batches=1,64
  peers=(--batches 64 --repeats 3)
  tests=()
fi
workers=$(($(nproc) < 8 ? $(nproc) : 8))

promptkd doctor 30 doctor
for precision in f16 f32; do
  bench "step-$precision" 60 step "${sizes[@]}" --stage 2 --no-naive --precision "$precision" "${quick[@]}"
done
pytorch step 60
bench start-distill 90 start "${models[@]}" --commands distill --precision f16 --repeats 1
for precision in f16 f32; do
  bench "profile-$precision" 45 profile "${sizes[@]}" --stage 2 --precision "$precision" "${quick[@]}"
done
for precision in f16 f32; do
  bench "kernels-$precision" 60 kernels --only gemm-nt,gemm-nn,attention --precision "$precision" "${quick[@]}"
done
pytorch kernels 60
for precision in f16 f32; do
  bench "encoder-$precision" 45 encoder --model ViT-B/16 --batches "$batches" --precision "$precision" "${quick[@]}"
done
pytorch encoder 40
wait
bench peers 60 peers --only encoder --peers onnxruntime-node "${peers[@]}"
bench start-demo 60 start --commands demo,verify --repeats 1
promptkd demo 60 demo --out "$work/demo"
step tests text 60 "$node" node_modules/vitest/vitest.mjs run test/engine "${tests[@]}" --maxWorkers="$workers" \
  --reporter=default --reporter=json --outputFile.json="$parts/tests.json"
[[ -d $work/shared/goldens ]] && promptkd verify 30 verify "$work/shared/goldens/tiny"

for name in "${names[@]}"; do printf '%-18s %s\n' "$name" "${results[$name]}"; done
for name in "${names[@]}"; do [[ ${results[$name]} == @(done|skipped)* ]] || exit 1; done
