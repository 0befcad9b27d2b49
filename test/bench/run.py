#!/usr/bin/env python3
"""Runs the benches that meson knows, one after another, and prints their figures as one table.

run.py BUILD [--peers] [--json FILE] [NAME ...]

Each bench is a benchmark() in test/bench/meson.build; its lines with tabs are figures, as report.h
says. Benches of the suite `peers` (beside other people's programs) run with --peers alone, and those
of the suite `alone`, whose figures the former have too, without it. With names, only the benches
whose name holds one of them. What is required of figures, and what is aimed at, is in targets.json.
A bench that fails ends with 1, after the table.

In the table a ratio says how many times as good ours is as the peer in the same round, whichever
way is better: of times and sizes it is the peer's by ours.
"""
import json
import os
import platform
import re
import subprocess
import sys
import time

FIELDS = 10
FOLDER = os.path.dirname(os.path.abspath(__file__))
# Of everything else, more is better.
LESS_IS_BETTER = ('ns', 'us', 'ms', 's', 'ms CPU', 'us CPU', 'bytes', 'KiB', 'polls', 'calls')
COLUMNS = ('figure', 'ours', 'unit', 'min..max', 'peer', "peer's", 'ratio', 'min..max', 'required', 'goal', 'met')
ON_THE_LEFT = (0, 2, 4)


def benches(build, peers, names):
    for bench in json.loads(subprocess.check_output(['meson', 'introspect', '--benchmarks', build])):
        suites = [suite.split(':')[-1] for suite in bench['suite']]
        if ('alone' if peers else 'peers') in suites:
            continue
        if not names or any(name in bench['name'] for name in names):
            yield bench


def parse(line, bench):
    """A figure, or None for a line that is none."""
    fields = line.rstrip('\n').split('\t')
    if len(fields) != FIELDS:
        return None
    name, median, unit, least, most, peer, theirs, ratio, ratio_least, ratio_most = fields
    figure = {'bench': bench, 'figure': name, 'unit': unit, 'median': float(median), 'min': float(least), 'max': float(most)}
    if peer != '-':
        ratios = [float(ratio), float(ratio_least), float(ratio_most)]
        if unit in LESS_IS_BETTER:
            ratios = [1 / value if value else 0 for value in (ratios[0], ratios[2], ratios[1])]
        figure.update(peer=peer, peer_median=float(theirs), ratio=ratios[0], ratio_min=ratios[1], ratio_max=ratios[2])
    return figure


def judge(figure, targets):
    """Adds what is required, and aimed at, and whether that is reached."""
    for target in targets:
        if target['bench'] != figure['bench'] or not re.fullmatch(target['figure'], figure['figure']):
            continue
        if 'peer' in target and not re.fullmatch(target['peer'], figure.get('peer', '')):
            continue
        value = figure.get(target['of'])
        if value is None:
            continue
        figure['of'], figure['sense'] = target['of'], target['sense']
        for kind in ('required', 'goal'):
            if kind in target:
                figure[kind] = target[kind]
                figure[f'{kind}_met'] = value >= target[kind] if target['sense'] == 'at least' else value <= target[kind]
        return


def run(bench, build, targets):
    """Shows what it prints as it comes; its figures, and whether it went well."""
    print(f"== {bench['name']}", flush=True)
    figures = []
    begin = time.monotonic()
    process = subprocess.Popen(bench['cmd'], env={**os.environ, **bench['env']}, cwd=bench['workdir'] or build,
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        figure = parse(line, bench['name'])
        if figure:
            judge(figure, targets)
            figures.append(figure)
        print(line.rstrip('\n').replace('\t', '  '), flush=True)
    good = process.wait() == 0
    print(f'-- {time.monotonic() - begin:.0f} s', flush=True)
    return figures, good


def number(value):
    if value == 0:
        return '0'
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.3g}' if abs(value) < 1 else f'{value:.4g}'


def target_text(figure, kind):
    if kind not in figure:
        return ''
    sign = '>=' if figure['sense'] == 'at least' else '<='
    return f"{sign} {number(figure[kind])}{'x' if figure['of'] == 'ratio' else ''}"


def met_text(figure):
    """Of what is required and of the goal."""
    said = [('yes' if figure[f'{kind}_met'] else 'NO') + (' (goal)' if kind == 'goal' else '')
            for kind in ('required', 'goal') if kind in figure]
    return ', '.join(said) or '-'


def row(figure):
    has_peer = 'peer' in figure
    return (figure['figure'], number(figure['median']), figure['unit'], f"{number(figure['min'])}..{number(figure['max'])}",
            figure.get('peer', '-'), number(figure['peer_median']) if has_peer else '-',
            f"{figure['ratio']:.3g}x" if has_peer else '-',
            f"{figure['ratio_min']:.3g}..{figure['ratio_max']:.3g}" if has_peer else '-',
            target_text(figure, 'required'), target_text(figure, 'goal'), met_text(figure))


def table(sections):
    print(f'\nMedians of interleaved rounds, {os.cpu_count()} CPUs. Ratio: how many times as good as the peer in the same round '
          '(above 1: better),\nits median and its spread over the rounds. Met: what is required, then the goal.')
    everything = [COLUMNS] + [row(figure) for _, figures, _ in sections for figure in figures]
    widths = [max(len(line[i]) for line in everything) for i in range(len(COLUMNS))]

    def show(line):
        cells = [cell.ljust(width) if i in ON_THE_LEFT else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        print('  '.join(cells).rstrip())
    show(COLUMNS)
    for name, figures, _ in sections:
        print(f'-- {name}')
        for figure in figures:
            show(row(figure))


def sums(sections):
    """How many of the targets that were measured are met."""
    for kind in ('required', 'goal'):
        told = [figure for _, figures, _ in sections for figure in figures if kind in figure]
        missed = [figure for figure in told if not figure[f'{kind}_met']]
        print(f'{kind}: {len(told) - len(missed)} of {len(told)} met' + ''.join(f"\n  missed: {f['bench']}: {f['figure']}" for f in missed))


def save(path, sections):
    commit = subprocess.run(['git', '-C', FOLDER, 'rev-parse', 'HEAD'], capture_output=True, text=True, check=False).stdout.strip()
    whole = {'commit': commit, 'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'cpus': os.cpu_count(),
             'machine': platform.machine(), 'kernel': platform.release(),
             'failed': [name for name, _, good in sections if not good],
             'figures': [figure for _, figures, _ in sections for figure in figures]}
    with open(path, 'w', encoding='utf-8') as out:
        json.dump(whole, out, indent=1)
        out.write('\n')


def main(arguments):
    build, names, path, peers = arguments[0], [], None, False
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == '--peers':
            peers = True
        elif argument == '--json':
            path = next(rest)
        else:
            names.append(argument)
    with open(os.path.join(FOLDER, 'targets.json'), encoding='utf-8') as file:
        targets = json.load(file)
    sections = []
    for bench in benches(build, peers, names):
        figures, good = run(bench, build, targets)
        sections.append((bench['name'], figures, good))
    if not sections:
        print('no bench has such a name', file=sys.stderr)
        return 1
    table(sections)
    sums(sections)
    if path:
        save(path, sections)
    failed = [name for name, _, good in sections if not good]
    for name in failed:
        print(f'FAILED: {name}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
