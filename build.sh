#!/usr/bin/env bash
# Lotcast's one entry. On a fresh Debian 12 as root, `./build.sh run` and `./build.sh test` do
# everything, installation of packages included. `./build.sh help` lists the commands.
set -euo pipefail
cd "$(dirname "$0")"
root=$PWD

packages_build=(gcc libc6-dev ninja-build meson pkg-config python3 protobuf-compiler libprotobuf-dev
    protobuf-c-compiler libprotobuf-c-dev libnng-dev libh2o-evloop-dev libssl-dev liblmdb-dev
    libyajl-dev libcurl4-openssl-dev libsodium-dev libxml2-dev zlib1g-dev libunistring-dev tzdata ca-certificates)
# The tests, the sandbox and the first look.
packages_test=(libcmocka-dev libmicrohttpd-dev curl clang-format-14)
packages_cpp=(g++ libgrpc++-dev protobuf-compiler-grpc) # protobuf's conformance runner, and the peers of the benches
packages_peers=(postgresql-15 libsqlite3-dev) # of the benches, too
# Reads the docs page in the tests, and is a customer's.
packages_browser=(chromium)
packages_fuzz=(clang-14 libclang-rt-14-dev)

usage() {
    cat <<'TEXT'
./build.sh [build]        builds into build/ (build/bin/lotcast, lotctl, sandbox, conformance_testee)
                          --no-web, here and with run, test and bench, leaves the frontend out
./build.sh run            builds and starts everything with a demo customer, for a first look
./build.sh test [NAME …]  builds and runs every test (or those whose names match)
./build.sh bench [--peers] [NAME …]  measures, all in one run, and prints a table
./build.sh fuzz [SECONDS] fuzzes each target for so long (30)
./build.sh release-image  takes proto/ as released: what later changes may not break (test/buf)
./build.sh format         lays the code out as .clang-format says
./build.sh deps           installs the packages that are missing
./build.sh clean          removes build/
TEXT
}

# Installs those of the packages named that are not there.
install_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    echo "installing: ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Node and npm may be there from elsewhere, where Debian's npm cannot be installed beside them.
install_node() {
    command -v node >/dev/null || install_packages nodejs
    command -v npm >/dev/null || install_packages npm
}

deps() {
    install_packages "${packages_build[@]}" "${packages_test[@]}"
    install_node
}

# install_npm FOLDER …: the npm packages that FOLDER/package-lock.json pins, into build/ under the folder's name. Where
# that fails, what needs them says so. test/sdk: the vendors' SDKs, for the sandbox; test/buf: for proto/;
# test/openapi: for the API's document; rest/docs: the viewer of /api/docs.
install_npm() {
    local from to
    for from in "$@"; do
        to=build/${from##*/}
        cmp -s "$from/package-lock.json" "$to/installed" && continue
        rm -rf "$to"
        mkdir -p "$to"
        cp "$from/package.json" "$from/package-lock.json" "$to/"
        if (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund) >"$to.log" 2>&1; then
            cp "$from/package-lock.json" "$to/installed"
        else
            cat "$to.log"
        fi
    done
}

# The frontend's sources, below clients/web; not what npm leaves there for who works on it.
web_sources() {
    (cd clients/web && find . -type f ! -path './node_modules/*' ! -path './dist/*' ! -path ./openapi.json \
        ! -path ./src/api/schema.d.ts | sort)
}

# All that the frontend is made of.
web_hash() {
    { node --version; web_sources; (cd clients/web && tr '\n' '\0' | xargs -0 cat) < <(web_sources); cat build/web/openapi.json; } | sha256sum
}

# The frontend into build/web/dist, from where it is packed into lotcast (rest/web). Its types are made of the API's
# document, as the program just built has it. build/web/built changes when dist has; nothing is done where nothing has
# changed. Where it cannot be built, there are no pages, and all else is built.
web() {
    install_npm clients/web
    build/release/rest/openapi_document >build/web/openapi.json.new
    cmp -s build/web/openapi.json.new build/web/openapi.json || cp build/web/openapi.json.new build/web/openapi.json
    local hash
    hash=$(web_hash)
    [ "$(cat build/web/built 2>/dev/null)" = "$hash" ] && return
    : >build/web.build.log
    find build/web -mindepth 1 -maxdepth 1 ! -name node_modules ! -name installed ! -name built ! -name openapi.json -exec rm -rf {} +
    web_sources | tar -C clients/web -cf - -T - | tar -C build/web -xf -
    if [ -f build/web/installed ] && (cd build/web && npm run --silent build) >build/web.build.log 2>&1; then
        echo "$hash" >build/web/built
        return
    fi
    rm -rf build/web/dist
    : >build/web/built
    tail -n 30 build/web.build.log build/web.log 2>/dev/null || :
    echo "WARNING: the frontend could not be built (above), so lotcast will have no pages; all else is built."
}

# The contract as it is now becomes what the next changes are held to.
release_image() {
    install_node
    install_npm test/buf
    (cd proto && ../build/buf/node_modules/.bin/buf build --exclude-source-info -o ../test/buf/release.binpb.gz)
}

# configure NAME [MESON OPTION …]: a build directory build/NAME.
configure() {
    local name=$1
    shift
    # The viewer of /api/docs may have come since, or another one.
    if [ -f "build/$name/build.ninja" ]; then
        [ build/docs/installed -nt "build/$name/build.ninja" ] || return 0
        set -- --reconfigure "$@"
    fi
    meson setup "build/$name" "$@" >"build/$name.log" 2>&1 || {
        cat "build/$name.log"
        return 1
    }
}

# use_web NAME: with the frontend, or without it.
use_web() {
    local name=$1
    [ "$(cat "build/$name/web-option" 2>/dev/null || echo auto)" = "$web" ] && return
    meson configure "build/$name" -Dweb="$web"
    echo "$web" >"build/$name/web-option"
}

# compile NAME [TARGET …]: quiet unless something is wrong.
compile() {
    local name=$1
    shift
    ninja -C "build/$name" "$@" >"build/$name.compile.log" 2>&1 || {
        grep -vE '^\[[0-9]+/[0-9]+\]' "build/$name.compile.log" | head -100
        return 1
    }
}

# What protobuf's conformance suite is made of, in build/conformance, for a build directory's testee. A machine
# that cannot get it builds all else.
conformance() {
    local name=$1
    if ! test/conformance/source.sh build/conformance >build/conformance.log 2>&1; then
        echo "no conformance_testee: protobuf's source package cannot be had (build/conformance.log)"
    elif ! grep -q conformance_testee "build/$name/build.ninja"; then
        meson configure "build/$name" -Dconformance="$root/build/conformance"
    fi
}

# The suite's runner, built once. Where that fails, it counts as a test that does.
conformance_runner() {
    install_packages "${packages_cpp[@]}"
    test/conformance/runner.sh build/conformance >>build/conformance.log 2>&1 && return
    tail -5 build/conformance.log
    echo "0 1 0 conformance: no runner" >>build/results
}

build() {
    deps
    mkdir -p build/bin build/web
    install_npm rest/docs
    # It is there from the start, so that meson need not be asked again once there are files.
    [ -f build/web/built ] || : >build/web/built
    configure release --buildtype=debugoptimized
    use_web release
    if [ "$web" = auto ]; then
        compile release rest/openapi_document
        web
    fi
    conformance release
    compile release
    ln -sfn ../release/rpc/cmd/lotcast build/bin/lotcast
    ln -sfn ../release/clients/lotctl/lotctl build/bin/lotctl
    ln -sfn ../release/test/sandbox/sandbox build/bin/sandbox
    [ ! -x build/release/test/conformance/conformance_testee ] ||
        ln -sfn ../release/test/conformance/conformance_testee build/bin/conformance_testee
}

# run_suite BUILD LABEL [MESON TEST ARGUMENT …]: adds to build/results.
run_suite() {
    local name=$1 label=$2
    shift 2
    echo "== $label"
    # The verdict is read from the log: a test that failed is counted there.
    meson test -C "build/$name" --no-rebuild --print-errorlogs "$@" >"build/$name.test.log" 2>&1 || :
    python3 test/support/summary.py "build/$name/meson-logs/testlog.json" "$label" >>build/results
    grep -E '^ *[0-9]+/[0-9]+ |^(not ok|# )|ERROR|error:' "build/$name.test.log" | grep -vE ' OK +[0-9.]+s' | head -60 || :
}

run_tests() {
    build
    install_packages "${packages_browser[@]}"
    install_npm test/sdk test/buf test/openapi
    : >build/results
    conformance_runner
    configure asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
    use_web asan
    conformance asan
    compile asan
    configure tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
    use_web tsan
    compile tsan
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:abort_on_error=0
    export LSAN_OPTIONS=suppressions=$root/test/support/lsan.supp:print_suppressions=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=1:suppressions=$root/test/support/tsan.supp
    # What the tests saw answered, for the last one (test/support/reasons.h).
    local reasons=$root/build/reasons
    # And all that was asked of the facade, likewise (test/support/exchange.h).
    local exchanges=$root/build/exchanges
    rm -f "$reasons" "$exchanges"
    # Without pages there is nothing that their tests could open.
    local left_out=()
    [ "$web" = auto ] || left_out=(--no-suite web)
    LOTCAST_TEST_REASONS=$reasons LOTCAST_TEST_EXCHANGES=$exchanges run_suite release "release" "${left_out[@]}" "$@"
    [ $# -gt 0 ] || LOTCAST_TEST_REASONS=$reasons run_suite release "error reasons" --suite reasons
    [ $# -gt 0 ] || LOTCAST_TEST_EXCHANGES=$exchanges run_suite release "exchanges" --suite exchanges
    run_suite asan "AddressSanitizer and UBSan" --no-suite e2e --no-suite style --no-suite sdk --no-suite buf --no-suite openapi --no-suite browser --no-suite web "$@"
    [ $# -gt 0 ] || run_suite asan "AddressSanitizer, end to end" --suite e2e-asan
    run_suite tsan "ThreadSanitizer" --suite unit --suite integration "$@"
    python3 test/support/summary.py --total build/results
}

bench() {
    build
    install_packages wrk
    # The peers are built when they are measured.
    [[ " $* " != *" --peers "* ]] || install_packages "${packages_cpp[@]}" "${packages_peers[@]}"
    test/bench/run.py build/release --json build/bench.json "$@"
}

fuzz() {
    local seconds=${1:-30} target name
    install_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_fuzz[@]}"
    mkdir -p build
    CC=clang-14 configure fuzz --buildtype=debugoptimized -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
    compile fuzz fuzzers
    for target in build/fuzz/test/fuzz/fuzz_*; do
        [ -x "$target" ] && [ -f "$target" ] || continue
        name=${target##*/fuzz_}
        mkdir -p "build/corpus/$name"
        echo "== $name, $seconds s"
        "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 \
            "build/corpus/$name" "test/fuzz/corpus/$name" 2>&1 | tail -4
    done
}

format() {
    install_packages clang-format-14
    git ls-files '*.c' '*.h' | xargs clang-format-14 -i
}

# The frontend: auto or disabled, as meson_options.txt has it.
web=auto
arguments=()
for argument in "$@"; do
    if [ "$argument" = --no-web ]; then
        web=disabled
    else
        arguments+=("$argument")
    fi
done
set -- "${arguments[@]}"

case ${1:-build} in
build) build ;;
run) shift; build; exec test/sandbox/run.sh "$@" ;;
test) shift; run_tests "$@" ;;
bench) shift; bench "$@" ;;
fuzz) shift; fuzz "$@" ;;
release-image) release_image ;;
format) format ;;
deps) deps ;;
clean) rm -rf build ;;
help | -h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
