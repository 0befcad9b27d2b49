/*
 * Redocly's linter judges the served document by its recommended rules, none changed: no error, no warning.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';

import { judge, program, run, startSystem } from './harness.mjs';

async function lint(state, document) {
    const file = path.join(state.work, 'openapi.json');
    await writeFile(file, document);
    const { out, log } = await run(process.execPath, [
        program('@redocly/cli', 'redocly'), 'lint', file, '--extends', 'recommended', '--format', 'json', '--max-problems', '1000',
    ], { cwd: state.work });
    // It says more than JSON.
    assert.match(out, /^\{/m, `${out}\n${log}`);
    return JSON.parse(out.slice(out.search(/^\{/m), out.lastIndexOf('}') + 1));
}

const cases = [
    ['the served document has no error and no warning', async (state) => {
        const found = await lint(state, state.document);
        assert.deepEqual(found.problems, []);
        assert.deepEqual([found.totals.errors, found.totals.warnings], [0, 0]);
    }],
    ['a document with a fault has one: the linter works', async (state) => {
        const broken = JSON.parse(state.document);
        delete broken.paths['/api/customer/dashboard'].get.summary;
        const found = await lint(state, JSON.stringify(broken));
        assert.equal(found.totals.errors, 1);
    }],
    ['it is the same for whoever asks, and at every start', async (state) => {
        const again = await (await fetch(`${state.system.url}/api/openapi.json`)).text();
        assert.equal(again, state.document);
        const other = await startSystem();
        const theirs = await (await fetch(`${other.url}/api/openapi.json`)).text();
        await other.stop();
        // But for the port that was free.
        const nameless = (document) => document.replace(/"x-public-url":"[^"]*"/, '');
        assert.equal(nameless(theirs), nameless(state.document));
    }],
    ['it has every path that the service answers', async (state) => {
        const { out } = await state.system.lotctl(['list']);
        const routes = [...out.matchAll(/\b(GET|POST|PATCH|PUT|DELETE)\s+(\/\S+)/g)].map((found) => [found[1].toLowerCase(), found[2]]);
        const { paths } = JSON.parse(state.document);
        assert.ok(routes.length > 30, out);
        for (const [verb, route] of routes) assert.ok(paths[route]?.[verb], `${verb} ${route}`);
        for (const page of ['/healthz', '/readyz', '/metrics', '/api/openapi.json']) assert.ok(paths[page]?.get, page);
    }],
];

const state = { work: await mkdtemp(path.join(os.tmpdir(), 'lotcast-lint-')), system: await startSystem() };
state.document = await (await fetch(`${state.system.url}/api/openapi.json`)).text();
await judge(state, cases, async () => {
    await rm(state.work, { recursive: true, force: true });
    assert.deepEqual(await state.system.stop(), [0, 0]);
});
