#!/usr/bin/env bash
# runner.sh DIRECTORY: builds DIRECTORY/runner, protobuf's conformance test runner, of what source.sh
# has put there.
set -euo pipefail
cd "${1:?}"
[ -x runner ] && exit 0
mkdir -p work
protoc -I source/conformance -I source/src -I /usr/include --cpp_out=work source/conformance/conformance.proto
(cd source/src && protoc -I . -I /usr/include --cpp_out=../../work google/protobuf/test_messages_proto2.proto \
    google/protobuf/test_messages_proto3.proto)
printf '%s\n' source/conformance/{conformance_test,conformance_test_runner,conformance_test_main}.cc \
    source/conformance/{binary_json_conformance_suite,text_format_conformance_suite}.cc \
    source/conformance/third_party/jsoncpp/jsoncpp.cpp work/conformance.pb.cc \
    work/google/protobuf/test_messages_proto2.pb.cc work/google/protobuf/test_messages_proto3.pb.cc |
    xargs -P "$(nproc)" -I FILE sh -c \
        'g++ -std=c++17 -O0 -w -I work -I source/conformance -I source/src -c FILE -o "work/$(basename FILE).o"'
g++ work/*.o -lprotobuf -pthread -o work/runner
mv work/runner runner
rm -rf work
