#!/usr/bin/env bash
# Distillation on a GPU that is lent for minutes: ten cross-fitted teachers, then students on mixtures of label
# and teacher, all side by side, packed into $OUT as each ends. Run in the repository's folder:
#
#   OUT=results SECONDS_IN_ALL=570 bash benchmarks/gpu_distill.sh
#   OUT=results SECONDS_IN_ALL=200 bash benchmarks/gpu_distill.sh more "wide:best:1:90" "compact:best:1:70"
#   OUT=results SECONDS_IN_ALL=900 bash benchmarks/gpu_distill.sh --reduced      # a trial on any machine
#
# `more` trains further students from what the first command left in WORK; each argument is a list for one
# process. Data and packages are those of gpu_run.sh. STUDENTS_A and STUDENTS_B name the students of the first.
set -u
began=$(date +%s)
more=()
if [ "${1:-}" = more ]; then shift; more=("$@"); set --; fi
reduced=${1:-${REDUCED:-}}
python=${PYTHON:-python3}
work=${WORK:-/tmp/gpu_distill}
export OUT=${OUT:-$work/out}
mkdir -p "$work/students" "$work/teachers" "$OUT"
if [ ! -d "$work/site" ] && ls .whl/*.whl >/dev/null 2>&1; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$work/site.fresh" .whl/*.whl &&
    mv "$work/site.fresh" "$work/site" || exit
fi
export PYTHONPATH=$work/site:src:. KERAS_BACKEND=jax PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export JAX_COMPILATION_CACHE_DIR=$work/compiled JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=1
split=${SPLIT:-$work/split}
manifest=${MANIFEST:-.gpu/manifest.csv.gz}
[ -f "$split/val.npz" ] || "$python" -m benchmarks.gpu_split .gpu/fer2013.tar.xz "$manifest" "$split" || exit
echo "set up in $(($(date +%s) - began)) s"
seconds=${SECONDS_IN_ALL:-570}
processes=()
run() { # SHARE_OF_MEMORY ARGUMENTS...
  local share=$1
  shift
  XLA_PYTHON_CLIENT_MEM_FRACTION=$share "$python" -m benchmarks.gpu_distill "$@" --split "$split" --work "$work" \
    --manifest "$manifest" $reduced >>"$OUT/log.txt" 2>&1 &
  processes+=($!)
}
wait_until() { # MOMENT: what runs longer is ended; its last checkpoint is lost, the results of others are there
  local process
  for process in "${processes[@]}"; do
    while kill -0 "$process" 2>/dev/null; do
      [ "$(date +%s)" -lt "$1" ] || { echo "ended: process $process took too long"; kill "$process"; break; }
      sleep 0.3
    done
  done
  wait
  processes=()
}
end=$((began + seconds))
if [ ${#more[@]} = 0 ]; then
  # The students' programs are compiled while the teachers' are: a GPU that waits for a compiler does nothing.
  teaching=$((began + seconds * ${TEACHING_PERCENT:-50} / 100))
  run 0.2 teach 0 --until $teaching
  run 0.2 teach 1 --until $teaching
  run 0.4 warm wide compact
  wait_until $((teaching + 25))
  echo "taught after $(($(date +%s) - began)) s"
  more=("${STUDENTS_A:-wide:0.5 wide:0.8}" "${STUDENTS_B:-compact:0.5 compact:0.8}")
fi
for students in "${more[@]}"; do
  # shellcheck disable=SC2086
  run 0.4 study $students --until $((end - 8))
done
wait_until $((end + 10))
grep -h -v '"epoch"\|^training: ' "$OUT/log.txt" | tail -n 110
ls -l "$OUT"
echo "done after $(($(date +%s) - began)) s"
