#!/usr/bin/env bash
# One run on a GPU that is lent for minutes: timings, then compact (300 epochs) and ResNet50V2 (100) side by side, or
# as many as there is time for, scored and packed into $OUT. Run in the repository's folder:
#
#   OUT=results SECONDS_IN_ALL=560 bash benchmarks/gpu_run.sh
#   OUT=results SECONDS_IN_ALL=240 bash benchmarks/gpu_run.sh --reduced      # a trial on any machine
#
# Data: .gpu/fer2013.tar.xz and .gpu/manifest.csv.gz (of the split stage, scheme kaggle), or SPLIT=folder of a split.
# Packages that a JAX image lacks lie in .whl, for its Python (pip download --no-deps --only-binary=:all:
# --python-version 3.12): keras namex optree absl-py pydantic pydantic-core annotated-types typing-inspection
# typing-extensions ruamel.yaml filelock. PYTHON names the interpreter.
set -u
began=$(date +%s)
reduced=${1:-}
python=${PYTHON:-python3}
work=${WORK:-/tmp/gpu_run}
export OUT=${OUT:-$work/out}
mkdir -p "$work" "$OUT"
if ls .whl/*.whl >/dev/null 2>&1; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$work/site" .whl/*.whl || exit
fi
export PYTHONPATH=$work/site:src:. KERAS_BACKEND=jax PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export JAX_COMPILATION_CACHE_DIR=$work/compiled JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=1
split=${SPLIT:-$work/split}
[ -f "$split/val.npz" ] || "$python" -m benchmarks.gpu_split .gpu/fer2013.tar.xz .gpu/manifest.csv.gz "$split" || exit
echo "set up in $(($(date +%s) - began)) s"
run() { # SHARE_OF_MEMORY ARGUMENTS...
  local share=$1
  shift
  XLA_PYTHON_CLIENT_MEM_FRACTION=$share "$python" -m benchmarks.gpu_long "$@" --split "$split" --work "$work" $reduced \
    >>"$OUT/log.txt" 2>&1 &
}
# The rest of the timings is given up where they take too long: training matters more.
run 0.25 probe compact --others 1; first=$!
run 0.65 probe resnet50v2 --others 1; second=$!
limit=$((began + ${PROBE_SECONDS:-150}))
while kill -0 $first 2>/dev/null || kill -0 $second 2>/dev/null; do
  [ "$(date +%s)" -lt $limit ] || { echo "the timings took too long"; kill $first $second 2>/dev/null; break; }
  sleep 0.5
done
wait
echo "timed after $(($(date +%s) - began)) s"
until=$((began + ${SECONDS_IN_ALL:-560} - 8))
run 0.3 train compact compact-2 --until $until
run 0.6 train resnet50v2 --until $until
wait
grep -h -v '"epoch"' "$OUT/log.txt" | tail -n 60
ls -l "$OUT"
echo "done after $(($(date +%s) - began)) s"
