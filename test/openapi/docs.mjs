/*
 * A real browser reads /api/docs: every operation is shown, requests can be tried, the page's policy is never
 * broken, and nothing but this service is spoken to.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';

import { startBrowser } from './chromium.mjs';
import { judge, startSystem } from './harness.mjs';

const WAIT_MS_MAX = 30000;

/* A page that notes what it says, and whom it speaks to. */
async function openPage(state, base) {
    const page = await state.browser.newPage();
    page.setDefaultTimeout(WAIT_MS_MAX);
    const notes = { console: [], hosts: new Set(), failed: [] };
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) notes.console.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => notes.console.push(`${error}`));
    page.on('request', (request) => {
        const url = new URL(request.url());
        if (url.protocol !== 'data:') notes.hosts.add(url.origin);
    });
    page.on('requestfailed', (request) => notes.failed.push(request.url()));
    await page.addInitScript(() => {
        window.violations = [];
        document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    });
    const answer = await page.goto(`${base}/api/docs`);
    await page.waitForSelector('.opblock');
    return { page, notes, answer };
}

async function checkQuiet(state, { page, notes }, base) {
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    assert.deepEqual(notes.console, []);
    assert.deepEqual(notes.failed, []);
    assert.deepEqual([...notes.hosts], [base]);
}

/* Opens an operation and fills in its first body or parameters. */
async function tryOut(page, operationId, { body, parameters = {} } = {}) {
    const block = page.locator(`.opblock[id$="-${operationId}"]`);
    await block.locator('.opblock-summary-control').click();
    await block.locator('button.try-out__btn').click();
    if (body !== undefined) await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
    for (const [name, value] of Object.entries(parameters)) {
        const row = block.locator(`tr[data-param-name="${name}"]`);
        const choice = row.locator('select');
        if (await choice.count() > 0) await choice.selectOption(value);
        else await row.locator('input').fill(value);
    }
    await block.locator('button.execute').click();
    const live = block.locator('.live-responses-table tr.response');
    await live.locator('.response-col_description pre').first().waitFor();
    const status = (await live.locator('.response-col_status').first().innerText()).trim().split(/\s/)[0];
    const text = await live.locator('.response-col_description').first().innerText();
    await block.locator('.opblock-summary-control').click();
    return { status, text };
}

async function headers(state) {
    const answer = await fetch(`${state.base}/api/docs`);
    const policy = answer.headers.get('content-security-policy').split('; ');
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) assert.ok(policy.includes(part), part);
    assert.doesNotMatch(policy.join(), /unsafe/);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
    const page = await answer.text();
    assert.doesNotMatch(page, /https?:\/\//);
    const assets = [...page.matchAll(/(?:src|href)="(\/api\/docs\/[^"]+)"/g)].map((found) => found[1]);
    assert.ok(assets.length >= 4);
    for (const asset of assets) {
        const file = await fetch(`${state.base}${asset}`);
        assert.equal(file.status, 200, asset);
        assert.match(file.headers.get('cache-control'), /immutable/);
        assert.equal(file.headers.get('x-content-type-options'), 'nosniff');
        const again = await fetch(`${state.base}${asset}`, { headers: { 'if-none-match': file.headers.get('etag') } });
        assert.equal(again.status, 304, asset);
    }
    assert.equal((await fetch(`${state.base}/api/docs/swagger-ui.css`)).status, 404);
}

async function operations(state) {
    const opened = await openPage(state, state.base);
    const { page } = opened;
    const document = await (await fetch(`${state.base}/api/openapi.json`)).json();
    const wanted = Object.values(document.paths).flatMap((item) => Object.values(item)).map((operation) => operation.operationId).sort();
    const shown = await page.locator('.opblock').evaluateAll((blocks) => blocks.map((block) => block.id.split('-').pop()));
    assert.deepEqual(shown.sort(), wanted);
    assert.match(await page.locator('.info .title').innerText(), /Lotcast API/);
    // Opening one draws its schemas and examples; closing it again keeps the page quick.
    for (const block of await page.locator('.opblock').all()) {
        const control = block.locator('.opblock-summary-control');
        await control.click({ noWaitAfter: true });
        await block.locator('.opblock-body .responses-wrapper').waitFor();
        await control.click({ noWaitAfter: true });
    }
    assert.equal(await page.locator('.errors-wrapper').count(), 0);
    assert.equal(await page.locator('#elsewhere').isVisible(), false);
    await checkQuiet(state, opened, state.base);
    await page.close();
}

async function trying(state) {
    const opened = await openPage(state, state.base);
    const { page } = opened;
    const signedUp = await tryOut(page, 'signUp', { body: { email: 'docs@acme.example', password: 'three blue herons', company: 'Docs' } });
    assert.equal(signedUp.status, '200', signedUp.text);
    const dashboard = await tryOut(page, 'getDashboard');
    assert.equal(dashboard.status, '200', dashboard.text);
    assert.match(dashboard.text, /"status": "setup"/);
    const items = await tryOut(page, 'listItems', { parameters: { 'filters[inStock]': 'true', limit: '5', sort: '-price' } });
    assert.equal(items.status, '200', items.text);
    await checkQuiet(state, opened, state.base);
    await page.close();
}

/* The page may be opened at an address that is not the public URL. */
async function elsewhere(state) {
    const base = state.base.replace('localhost', '127.0.0.1');
    const opened = await openPage(state, base);
    assert.match(await opened.page.locator('#elsewhere').innerText(), new RegExp(state.base));
    const live = await tryOut(opened.page, 'getLiveness');
    assert.equal(live.status, '200', live.text);
    await checkQuiet(state, opened, base);
    await opened.page.close();
}

const cases = [
    ['the page and its files have the right headers', headers],
    ['every operation is shown, without a word on the console', operations],
    ['requests can be tried', trying],
    ['also at another address', elsewhere],
];

const state = { work: await mkdtemp(path.join(os.tmpdir(), 'lotcast-docs-')), system: await startSystem() };
state.base = state.system.url;
state.browser = await startBrowser(state.work);
await judge(state, cases, async () => {
    await state.browser.close();
    await rm(state.work, { recursive: true, force: true });
    assert.deepEqual(await state.system.stop(), [0, 0]);
});
