#!/usr/bin/env bash
# Puts the real coding agents of scripts/agents.txt into a cache outside the repository, where the tests find them.
#   scripts/agents.sh [--no-install]
#
#   --no-install         only says what is missing
#   QD_AGENT_CACHE       the cache; default ${XDG_CACHE_HOME:-~/.cache}/quarterdeck-test/agents
#   QD_REQUIRE_AGENTS    names that must be there, as claude,codex,opencode; a missing one is an error
set -euo pipefail
cd "$(dirname "$0")/.."

install=1
[ "${1:-}" = --no-install ] && install=0
cache=${QD_AGENT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quarterdeck-test/agents}
case $(uname -m) in
    x86_64) arch=x64 cpu=x86_64 ;;
    aarch64) arch=arm64 cpu=aarch64 ;;
    *) arch=unknown cpu=unknown ;;
esac

# into a directory beside its place and then renamed, so that a cut installation is never taken for a whole one
fetch() {
    local place=$1 package=$2 program=$3 fresh
    command -v npm >/dev/null 2>&1 || { echo "npm is missing (Debian: npm)" >&2; return 1; }
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/.fresh.XXXXXX")
    if npm install --prefix "$fresh" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error \
        "$package" >&2 && [ -f "$fresh/node_modules/$program" ]; then
        chmod +x "$fresh/node_modules/$program"
        rm -rf "$place"
        # another run may have been faster
        mv -T "$fresh" "$place" 2>/dev/null || rm -rf "$fresh"
        [ -x "$place/node_modules/$program" ]
    else
        rm -rf "$fresh"
        return 1
    fi
}

failed=0
while read -r name version package program; do
    case $name in '' | '#'*) continue ;; esac
    package=${package//ARCH/$arch} program=${program//ARCH/$arch}
    program=${program//CPU/$cpu}
    place=$cache/$name-$version
    if [ -x "$place/node_modules/$program" ]; then
        echo "agent $name $version: $place"
    elif [ "$install" = 1 ] && fetch "$place" "$package" "$program"; then
        echo "agent $name $version: installed into $place"
    else
        case ",${QD_REQUIRE_AGENTS:-}," in
            *",$name,"*) echo "agent $name $version is MISSING and needed here" >&2; failed=1 ;;
            *) echo "WARNING: agent $name $version is missing; its tests are LEFT OUT and say so" >&2 ;;
        esac
    fi
done <scripts/agents.txt
exit "$failed"
