#!/usr/bin/env bash
# rpc.sh BENCH_RPC SOURCE OUT: builds the gRPC C++ peer in OUT, once for each state of its source, and runs BENCH_RPC
# beside it.
set -euo pipefail
bench=$1 source=$2/test/bench/peers out=$3
peer=$out/grpc_cpp
mkdir -p "$out"
if [ ! "$peer" -nt "$source/grpc_cpp.cc" ] || [ ! "$peer" -nt "$source/grpc_call.proto" ]; then
    command -v grpc_cpp_plugin >/dev/null || { echo "rpc_peers: libgrpc++-dev and protobuf-compiler-grpc are needed" >&2; exit 1; }
    protoc -I "$source" --cpp_out="$out" --grpc_out="$out" --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" grpc_call.proto
    g++ -std=c++17 -O2 -w -I "$out" -o "$peer.new" "$source/grpc_cpp.cc" "$out/grpc_call.pb.cc" "$out/grpc_call.grpc.pb.cc" \
        $(pkg-config --cflags --libs grpc++ protobuf)
    mv "$peer.new" "$peer"
fi
exec "$bench" "$peer"
