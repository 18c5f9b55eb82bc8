#!/usr/bin/env bash
# Builds the fuzz targets and runs each for some seconds, as many at a time as there are processors.
#   scripts/fuzz.sh [SECONDS] [TARGET…]      default: 60 seconds, all targets
# With FUZZ_BUILD_ONLY=1 it only builds them.
# The corpus grows in fuzz/corpus; an input that fails is kept in fuzz/artifacts and printed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# -gt 0 ] && shift
all=$(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)
targets=${*:-$all}

# coverage counters that the stable compiler can put in; the target's own directory keeps them out of
# other builds, and build scripts do not get them because a target is named
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
triple=$(rustc -vV | sed -n 's/^host: //p')
built=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
[ -z "${CARGO_TARGET_DIR:-}" ] || built=$CARGO_TARGET_DIR/fuzz
RUSTFLAGS="$flags" CARGO_TARGET_DIR="$built" \
    cargo build --release --locked --manifest-path fuzz/Cargo.toml --bins --target "$triple"

[ -z "${FUZZ_BUILD_ONLY:-}" ] || exit 0

export QD_FUZZ_CORPUS=$PWD/fuzz/corpus
mkdir -p "$QD_FUZZ_CORPUS" fuzz/artifacts
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

fuzz_one() {
    target=$1
    mkdir -p "$QD_FUZZ_CORPUS/$target"
    # made by the target itself when it starts, before it is read
    touch "$QD_FUZZ_CORPUS/$target.dict"
    if "$built/$triple/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=4096 -dict="$QD_FUZZ_CORPUS/$target.dict" -artifact_prefix="fuzz/artifacts/$target-" \
        -print_final_stats=1 "$QD_FUZZ_CORPUS/$target" >"$logs/$target" 2>&1; then
        echo "fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target") inputs, none fails"
    else
        echo "fuzz $target: FAILED" >&2
        tail -n 40 "$logs/$target" >&2
        return 1
    fi
}
export -f fuzz_one
export built triple seconds logs

# shellcheck disable=SC2086 # the names are words
printf '%s\n' $targets | xargs -P "$(nproc)" -I {} bash -c 'fuzz_one {}'
