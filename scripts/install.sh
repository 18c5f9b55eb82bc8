#!/bin/sh
# Installs qd from a release: picks the archive of this machine, checks its checksum, puts the program into place.
#   scripts/install.sh [--from URL|DIR] [--to DIR] [--version VERSION]
#
#   --from      where qd-TARGET.tar.gz and SHA256SUMS are; default: the project's releases
#   --to        default ~/.local/bin
#   --version   a release by its number; default: the latest
# Nothing is left of what fails its check.
set -eu

releases=https://github.com/quarterdeck/quarterdeck/releases
from= to=${HOME:?}/.local/bin version=latest
fail() { echo "install: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1 needs a value; see the head of the script"
    case $1 in
        --from) from=$2 ;;
        --to) to=$2 ;;
        --version) version=$2 ;;
        *) fail "unknown option $1; see the head of the script" ;;
    esac
    shift 2
done
if [ -z "$from" ]; then
    if [ "$version" = latest ]; then from=$releases/latest/download; else from=$releases/download/v$version; fi
fi

case $(uname -m) in
    x86_64 | amd64) cpu=x86_64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "there is no release for $(uname -m); build it: cargo install --path crates/cli" ;;
esac
case $(uname -s) in
    Linux) target=$cpu-unknown-linux-musl ;;
    Darwin) target=$cpu-apple-darwin ;;
    *) fail "there is no release for $(uname -s)" ;;
esac
archive=qd-$target.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
get() {
    case $from in
        http://* | https://*)
            if command -v curl > /dev/null 2>&1; then
                curl -fsSL --retry 2 --max-time 600 -o "$work/$1" "$from/$1"
            elif command -v wget > /dev/null 2>&1; then
                wget -q -O "$work/$1" "$from/$1"
            else
                fail "neither curl nor wget is here"
            fi ;;
        *) cp "$from/$1" "$work/$1" ;;
    esac || fail "$from/$1 cannot be had"
}
get SHA256SUMS
get "$archive"

wanted=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
[ -n "$wanted" ] || fail "SHA256SUMS does not name $archive"
if command -v sha256sum > /dev/null 2>&1; then
    found=$(sha256sum "$work/$archive")
else
    found=$(shasum -a 256 "$work/$archive")
fi
[ "${found%% *}" = "$wanted" ] || fail "the checksum of $archive is wrong; nothing was installed"

tar -xzf "$work/$archive" -C "$work" qd
chmod 755 "$work/qd"
said=$("$work/qd" --version) || fail "the program does not run here"
mkdir -p "$to"
# a running qd must not be written over: its name gets another file
cp "$work/qd" "$to/.qd.$$"
mv -f "$to/.qd.$$" "$to/qd"
echo "installed $said as $to/qd"
case :$PATH: in
    *:"$to":*) ;;
    *) echo "add it to your PATH: export PATH=\"$to:\$PATH\"" ;;
esac
