#!/usr/bin/env bash
# json.sh BENCH_JSON SOURCE OUT: builds the peer library in OUT from the .proto files of SOURCE, once for each state of
# both, and runs BENCH_JSON beside it.
set -euo pipefail
bench=$1 source=$2 out=$3
mkdir -p "$out"
library=$out/libjson_cpp.so
protos=(lotcast/v1/dashboard.proto lotcast/v1/inventory.proto lotcast/v1/options.proto lotcast/v1/status.proto google/api/annotations.proto
    google/api/http.proto)
newer=$(find "$source/proto" "$source/test/bench/peers" -newer "$library" 2>/dev/null | head -1) || newer=all
if [ ! -f "$library" ] || [ -n "$newer" ]; then
    command -v g++ >/dev/null || { echo "json_peers: g++ is needed" >&2; exit 1; }
    protoc -I "$source/proto" -I /usr/include --cpp_out="$out" "${protos[@]}"
    g++ -std=c++17 -O2 -w -shared -fPIC -I "$out" -I "$source" -o "$library.new" "$source/test/bench/peers/json_cpp.cc" \
        $(printf "$out/%s " "${protos[@]/%.proto/.pb.cc}") -lprotobuf
    mv "$library.new" "$library"
fi
exec "$bench" "$library"
