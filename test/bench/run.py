#!/usr/bin/env python3
"""Runs the benches that meson knows, one after another, and prints their figures as one table.

run.py BUILD [--peers] [NAME ...]

Each bench is a benchmark() in test/bench/meson.build; its lines with tabs are figures, as report.h
says. Benches of the suite `peers` (beside other people's programs) run with --peers alone. With
names, only the benches whose name holds one of them. A bench that fails ends with 1, after the table.
"""
import json
import os
import subprocess
import sys

COLUMNS = ('figure', 'median', 'unit', 'min', 'max', 'spread', 'beside', 'ratio')
FIELDS = 7


def benches(build, peers, names):
    found = json.loads(subprocess.check_output(['meson', 'introspect', '--benchmarks', build]))
    for bench in found:
        if any(suite.split(':')[-1] == 'peers' for suite in bench['suite']) and not peers:
            continue
        if not names or any(name in bench['name'] for name in names):
            yield bench


def number(text):
    value = float(text)
    if value == 0:
        return '0'
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.3g}' if abs(value) < 1 else f'{value:.4g}'


def row(fields):
    name, median, unit, least, most, beside, ratio = fields
    spread = (float(most) - float(least)) / float(median) if float(median) else 0
    return (name, number(median), unit, number(least), number(most), f'{spread:.0%}', beside, ratio)


def run(bench, build):
    """Shows what it prints as it comes; its figures' rows, and whether it went well."""
    print(f"== {bench['name']}", flush=True)
    rows = []
    process = subprocess.Popen(bench['cmd'], env={**os.environ, **bench['env']}, cwd=bench['workdir'] or build,
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        fields = line.rstrip('\n').split('\t')
        if len(fields) == FIELDS:
            rows.append(row(fields))
        print(line.rstrip('\n').replace('\t', '  '), flush=True)
    return rows, process.wait() == 0


def table(sections):
    print(f'\nMedians of {os.cpu_count()} CPUs; ratio: to the median of what stands beside it.')
    everything = [COLUMNS] + [line for _, rows in sections for line in rows]
    widths = [max(len(line[i]) for line in everything) for i in range(len(COLUMNS))]
    for name, rows in [('', [COLUMNS])] + sections:
        print(f'-- {name}' if name else '')
        for line in rows:
            cells = [cell.ljust(width) if i in (0, 2, 6) else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(line, widths))]
            print('  '.join(cells).rstrip())


def main(arguments):
    build, names = arguments[0], [name for name in arguments[1:] if name != '--peers']
    sections, failed = [], []
    for bench in benches(build, '--peers' in arguments, names):
        rows, good = run(bench, build)
        sections.append((bench['name'], rows))
        if not good:
            failed.append(bench['name'])
    table(sections)
    for name in failed:
        print(f'FAILED: {name}')
    return 1 if failed or not sections else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
