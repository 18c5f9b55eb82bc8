#!/usr/bin/env bash
# Builds the release binary and packs it as scripts/install.sh wants it: dist/qd-TARGET.tar.gz and dist/SHA256SUMS.
#   scripts/package.sh [--target TARGET] [--profile PROFILE]
#
#   --target    default: the static one of this machine on Linux (rustup target add …-unknown-linux-musl; a C compiler
#               for it: Debian musl-tools), the machine's own elsewhere
#   --profile   default dist
# The page is inside the binary: build web/ before (CONTRIBUTING.md says how).
set -euo pipefail
cd "$(dirname "$0")/.."

case $(uname -s) in
    Linux) target=$(uname -m)-unknown-linux-musl ;;
    *) target=$(rustc -vV | sed -n 's/^host: //p') ;;
esac
profile=dist
while [ $# -gt 0 ]; do
    case $1 in
        --target) target=${2:?target}; shift ;;
        --profile) profile=${2:?profile}; shift ;;
        *) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
    esac
    shift
done

cargo build --locked --profile "$profile" --target "$target" -p quarterdeck-cli
built=${CARGO_TARGET_DIR:-target}/$target/$profile
mkdir -p dist
tar --sort=name --owner=0 --group=0 --numeric-owner -czf "dist/qd-$target.tar.gz" -C "$built" qd
(cd dist && sha256sum qd-*.tar.gz > SHA256SUMS)
echo "dist/qd-$target.tar.gz"
