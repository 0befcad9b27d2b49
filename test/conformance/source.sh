#!/usr/bin/env bash
# source.sh DIRECTORY: fetches Debian's source package of the protobuf that is installed, through the
# machine's own apt, and leaves in DIRECTORY the two .proto files that the conformance testee speaks
# (proto/) and what its runner is built of (source/). Once is enough; nothing of it enters our tree.
set -euo pipefail
[ -d "${1:?}/proto" ] && exit 0
mkdir -p "$1"
directory=$(cd "$1" && pwd)
work=$(mktemp -d "$directory/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial,download,source}

# The same sources with their source packages, in either form of apt's lists.
for list in /etc/apt/sources.list.d/*.sources; do
    [ -f "$list" ] || continue
    sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/${list##*/}"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$list" ] || continue
    sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$list" >"$work/parts/${list##*/}.list"
done
apt=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$work/parts/"
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=")
version=$(dpkg-query -W -f '${source:Version}' libprotobuf-dev)
# One source of the machine that has no source packages must not stop the others.
apt-get "${apt[@]}" update -qq >"$work/update.log" 2>&1 || cat "$work/update.log" >&2
cd "$work/download"
apt-get "${apt[@]}" source -qq --download-only "protobuf=$version" >"$work/source.log" 2>&1 ||
    apt-get "${apt[@]}" source -qq --download-only protobuf >"$work/source.log" 2>&1 || {
    cat "$work/source.log" >&2
    exit 1
}
tar -xf protobuf_*.orig.tar.* -C "$work/source" --strip-components=1 --wildcards \
    '*/conformance/*' '*/src/google/protobuf/*.h' '*/src/google/protobuf/*.inc' '*/src/google/protobuf/test_messages_proto?.proto'
rm -rf "$directory/source"
mv "$work/source" "$directory/source"
mkdir "$work/proto"
cp "$directory/source/conformance/conformance.proto" \
    "$directory/source/src/google/protobuf/test_messages_proto3.proto" "$work/proto/"
mv "$work/proto" "$directory/proto"
