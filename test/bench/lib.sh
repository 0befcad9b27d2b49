# For benches in bash: prints figures as report.h says, and runs systems (test/sandbox/lib.sh). Sourced from test/bench.
. ../sandbox/lib.sh

# A private directory `work`, and `bin` of links to LOTCAST_BIN, LOTCTL_BIN and SANDBOX_BIN; ended with the script. It
# is on a disk, as a deployment's would be.
bench_begin() {
    work=$(mktemp -d "${BENCH_DIRECTORY:-/var/tmp}/lotcast-bench-XXXXXX")
    bin=$work/bin
    mkdir "$bin"
    ln -s "$LOTCAST_BIN" "$bin/lotcast"
    ln -s "$LOTCTL_BIN" "$bin/lotctl"
    ln -s "$SANDBOX_BIN" "$bin/sandbox"
    trap 'rm -f "$work/beside"; stop_all; rm -rf "$work"' EXIT
    ulimit -n "$(ulimit -Hn)"
}

# Stops what start_lotcast or the like has started last.
stop_lotcast() {
    local last=$((${#started[@]} - 1))
    kill -TERM "${started[last]}"
    wait "${started[last]}" || :
    unset "started[last]"
}

# field NAME TEXT: the word behind NAME.
field() { awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) { print $(i + 1); exit } }' <<<"$2"; }

# median "VALUES": the lower one of an even count.
median() { printf '%s\n' $1 | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# report NAME UNIT "VALUES" [BASELINE "VALUES"]
report() {
    local sorted base=-
    sorted=$(printf '%s\n' $3 | sort -g)
    [ $# -lt 5 ] || base=$(median "$5")
    awk -v name="$1" -v unit="$2" -v of="${4:--}" -v base="$base" '{ v[NR] = $1 } END {
        m = v[int((NR + 1) / 2)]
        if (base > 0) ratio = sprintf("%.3f", m / base); else ratio = of = "-"
        printf "%s\t%.6g\t%s\t%.6g\t%.6g\t%s\t%s\n", name, m, unit, v[1], v[NR], of, ratio }' <<<"$sorted"
}
