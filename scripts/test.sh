#!/usr/bin/env bash
# Installs what the tests need and runs them all.
#   scripts/test.sh [--long] [--fuzz SECONDS] [--no-install]
#
#   --long          fault rounds, soak and fuzz in their long versions (about an hour more)
#   --fuzz SECONDS  seconds of each fuzz target; 20 where CI=true, else none
#   --no-install    install nothing, real coding agents neither; a missing part is then an error in CI and a warning elsewhere
set -euo pipefail
cd "$(dirname "$0")/.."

long=0 install=1 fuzz=0
[ "${CI:-}" = true ] && fuzz=20
while [ $# -gt 0 ]; do
    case $1 in
        --long) long=1 fuzz=300 ;;
        --fuzz) fuzz=${2:?seconds}; shift ;;
        --no-install) install=0 ;;
        *) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
    esac
    shift
done

stage=
say() { stage=$*; printf '\n== %s\n' "$*"; }
trap '[ $? = 0 ] || echo "FAILED in: $stage" >&2' EXIT
missing=()

# command that must be there, and the Debian package that has it
need() {
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need cc gcc
[ "$fuzz" = 0 ] || need c++ g++
need tmux tmux
need vim vim
need htop htop
need less less
need ssh openssh-client
need ps procps
need ip iproute2
need systemd-analyze systemd
need git git
need node nodejs
need npm npm
need chromium chromium
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)

if [ ${#missing[@]} -gt 0 ]; then
    say "missing: ${missing[*]}"
    if [ "$install" = 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    elif [ "${CI:-}" = true ]; then
        echo "these are needed here and cannot be installed" >&2
        exit 1
    else
        echo "WARNING: tests that need them are LEFT OUT and say so" >&2
    fi
fi

say "agents"
if [ "$install" = 1 ]; then scripts/agents.sh; else scripts/agents.sh --no-install; fi

# In CI a test that fails is tried once more by itself: a machine's hiccup must not hide what the other
# tests say. One that passes then is told loudly, and is a defect to be found.
MAX_SECOND_TRIES=3
MAX_LINES_OF_FAILURE=40
run_tests() {
    local log failed
    log=$(mktemp)
    if cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log"; then
        rm "$log"
        return
    fi
    failed=$(sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$log" | sort -u)
    say_why "$log"
    [ "${CI:-}" = true ] && [ -n "$failed" ] || return 1
    [ "$(wc -l <<<"$failed")" -le "$MAX_SECOND_TRIES" ] || return 1
    say "once more, one by one:" $failed
    # shellcheck disable=SC2086 # names of tests have no spaces
    if ! cargo test --locked --workspace -- --exact --test-threads=1 $failed >"$log" 2>&1; then
        say_why "$log"
        return 1
    fi
    rm "$log"
    say "UNSTEADY, failed once and passed alone:" $failed
}

# what each failed test said, after everything else: who reads the end of a log finds it there
say_why() {
    say "why tests failed"
    awk -v most="$MAX_LINES_OF_FAILURE" '/^---- .* stdout ----$/ { left = most } left-- > 0 { print substr($0, 1, 2000) }' "$1"
    grep -E '^error' "$1" || true
}

# in CI a missing part is an error; elsewhere its tests say that they were left out
if [ "${CI:-}" = true ]; then
    export QD_REQUIRE_NODE=1 QD_REQUIRE_ROOT=1 QD_REQUIRE_TOOLS=1 QD_REQUIRE_WEB=1
fi
[ "$long" = 1 ] && export QD_LONG=1

# the binary that is built below is the one under test; without this each test crate would build its own
target=${CARGO_TARGET_DIR:-$PWD/target}
export QD_TEST_BINARY=$target/debug/qd

# The page: types, units, and the browser against the binary that was built. Its packages are installed
# when the list of them has changed.
test_page() {
    if ! command -v npm >/dev/null 2>&1 || ! command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1; then
        [ "${CI:-}" = true ] && { echo "the page's tests need npm and chromium" >&2; return 1; }
        echo "WARNING: npm or chromium is missing; the page's tests are LEFT OUT" >&2
        return
    fi
    (
        cd web
        if [ package-lock.json -nt node_modules/.package-lock.json ]; then npm ci --no-audit --no-fund; fi
        npm run check
        npm test
        QD_BIN=$QD_TEST_BINARY npm run e2e
    )
}

say "format"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
say "clippy"
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
say "build"
cargo build --locked --workspace --all-targets
say "tests"
run_tests
say "page"
test_page
if [ "$fuzz" -gt 0 ]; then
    say "fuzz, $fuzz seconds each"
    # a target that does not build fails the run; what a random search finds was there before this
    # change, so it is told loudly and becomes a test, and does not fail an unrelated one
    FUZZ_BUILD_ONLY=1 scripts/fuzz.sh
    scripts/fuzz.sh "$fuzz" || echo "FUZZ FINDING: see above; the input is kept in fuzz/artifacts" >&2
fi
say "all passed"
