# For benches in bash: prints figures as report.h says, and runs systems (test/sandbox/lib.sh). Sourced from test/bench.
. ../sandbox/lib.sh

# A private directory `work`, and `bin` of links to LOTCAST_BIN, LOTCTL_BIN and SANDBOX_BIN; ended with the script. It
# is on a disk, as a deployment's would be.
bench_begin() {
    work=$(mktemp -d "${BENCH_DIRECTORY:-/var/tmp}/lotcast-bench-XXXXXX")
    trap 'rm -f "$work/beside"; stop_all; rm -rf "$work"' EXIT
    bin=$work/bin
    mkdir "$bin"
    ln -s "$LOTCAST_BIN" "$bin/lotcast"
    ln -s "$LOTCTL_BIN" "$bin/lotctl"
    ln -s "$SANDBOX_BIN" "$bin/sandbox"
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

# report NAME UNIT "VALUES" [PEER "VALUES"]: values in the order of the rounds, the peer's of the same rounds.
report() {
    awk -v name="$1" -v unit="$2" -v values="$3" -v peer="${4:--}" -v peers="${5:-}" '
        function sort(list, n, i, j, kept) {
            for (i = 2; i <= n; i++) {
                kept = list[i]
                for (j = i - 1; j > 0 && list[j] > kept; j--) list[j + 1] = list[j]
                list[j + 1] = kept
            }
        }
        function median(list, n) { return list[int((n + 1) / 2)] }
        BEGIN {
            n = split(values, own, " "); m = split(peers, other, " "); divides = n == m
            for (i = 1; i <= n; i++) own[i] += 0
            for (i = 1; i <= m; i++) if ((other[i] += 0) <= 0) divides = 0
            for (i = 1; divides && i <= n; i++) ratio[i] = own[i] / other[i]
            sort(own, n); sort(other, m); sort(ratio, n)
            printf "%s\t%.6g\t%s\t%.6g\t%.6g\t", name, median(own, n), unit, own[1], own[n]
            if (divides) printf "%s\t%.6g\t%.6g\t%.6g\t%.6g\n", peer, median(other, m), median(ratio, n), ratio[1], ratio[n]
            else printf "-\t-\t-\t-\t-\n"
        }'
}
