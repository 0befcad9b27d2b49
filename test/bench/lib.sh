# For benches in bash: prints figures as report.h says.

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
