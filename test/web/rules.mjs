/*
 * What the pages ask for, and how they are served: opening one makes exactly the calls that data-flows.md names, no
 * other host is spoken to, what is known is not asked again before its time, the first load is small and quick, and
 * the policies hold.
 */
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';

import { judgeApp, newAdmin, newCustomer, open, soon, startApp } from './app.mjs';

const SCRIPT_BYTES_MAX = 200 * 1024;
const USABLE_MS = 1000;
/* The machine may be busy with other work. */
const USABLE_MS_MAX = 5 * USABLE_MS;
const MINUTE_MS = 60000;
const REFETCHES_MAX = 5;

/* Each page with all that its opening asks for. */
const pages = [
    ['/app/dashboard', ['GET /api/customer/dashboard']],
    ['/app/ads', ['GET /api/customer/ads']],
    ['/app/performance', ['GET /api/customer/performance?period=30d']],
    ['/app/inventory', ['GET /api/customer/inventory?page=1&limit=50']],
    ['/app/billing', ['GET /api/customer/billing']],
    ['/app/settings', ['GET /api/customer/settings']],
    ['/app/templates', ['GET /api/customer/announcements']],
];

/* What the browser gets from the network: [{url, type, status, bytes, seconds}], as it comes. */
async function watchNetwork(person) {
    const cdp = await person.context.newCDPSession(person.page);
    const seen = new Map();
    const of = (id) => seen.get(id) ?? seen.set(id, { status: 0, bytes: 0, cached: false, encoding: undefined }).get(id);
    cdp.on('Network.requestWillBeSent', ({ requestId, request, type }) => Object.assign(of(requestId), { url: request.url, type, method: request.method }));
    cdp.on('Network.requestServedFromCache', ({ requestId }) => Object.assign(of(requestId), { cached: true }));
    cdp.on('Network.responseReceived', ({ requestId, response }) => {
        const one = of(requestId);
        one.status ||= response.status;
        one.cached ||= response.fromDiskCache;
    });
    // What was on the wire: a 304 is a 200 from the cache for the page.
    cdp.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => Object.assign(of(requestId), { status: statusCode }));
    cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => Object.assign(of(requestId), { bytes: encodedDataLength }));
    await cdp.send('Network.enable');
    return seen;
}

const apiCalls = (seen) => [...seen.values()].filter((one) => one.url !== undefined && new URL(one.url).pathname.startsWith('/api/'));

/* --- calls --- */

async function opening(app) {
    const person = await open(app, { as: app.customer });
    for (const [page, calls] of pages) {
        await person.goToQuiet(page);
        assert.deepEqual(person.take(), calls, page);
        person.quiet();
    }
}

async function openingWithoutSession(app) {
    const person = await open(app);
    for (const page of ['/login', '/signup']) {
        await person.goToQuiet(page);
        assert.deepEqual(person.take(), [], page);
    }
    person.quiet();
}

async function openingOnboarding(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'signup' }) });
    for (const page of ['/onboarding/start', '/onboarding/connect']) {
        await person.goToQuiet(page);
        assert.deepEqual(person.take(), [], page);
    }
    await person.goToQuiet('/onboarding/launch');
    assert.deepEqual(person.take(), ['GET /api/customer/settings']);
    person.quiet();
    const connected = await open(app, { as: await newCustomer(app, { upTo: 'meta' }) });
    await connected.goToQuiet('/onboarding/launch');
    assert.deepEqual(connected.take(), ['GET /api/customer/settings', 'GET /api/auth/meta/accounts']);
    connected.quiet();
}

async function openingAdmin(app) {
    const person = await open(app, { as: app.admin });
    for (const page of ['/admin/customers', `/admin/customers/${app.customer.id}`, '/admin/audit']) {
        await person.goToQuiet(page);
        const calls = person.take();
        assert.equal(calls.length, new Set(calls).size, calls.join());
        assert.ok(calls.some((call) => call.startsWith(`GET ${page}`)), `${page}: ${calls}`);
        assert.deepEqual(calls.filter((call) => !call.startsWith('GET /admin/')), [], page);
        person.quiet();
    }
}

/* From page to page, back within a minute: what is known is shown. */
async function goingAround(app) {
    const person = await open(app, { as: app.customer, clock: true });
    await person.goToQuiet('/app/dashboard');
    assert.deepEqual(person.take(), ['GET /api/customer/dashboard']);
    for (const [page, calls] of pages.slice(1)) {
        await person.page.locator(`nav a[href="${page}"]`).first().click();
        await person.at(page);
        await person.settle();
        assert.deepEqual(person.take(), calls, page);
    }
    for (const [page] of pages) {
        await person.page.locator(`nav a[href="${page}"]`).first().click();
        await person.at(page);
        await person.settle();
        assert.deepEqual(person.take(), [], page);
    }
    person.quiet();
}

/* --- what is kept, and for how long --- */

async function refreshes(app) {
    const person = await open(app, { as: app.customer, clock: true });
    const seen = await watchNetwork(person);
    await person.goToQuiet('/app/dashboard');
    seen.clear();
    person.take();
    await person.page.clock.fastForward(MINUTE_MS / 2);
    await person.settle();
    assert.deepEqual(person.take(), []);
    // A figure may change on the way, an hour's insights or "just now"; then the next time finds nothing new.
    for (let asked = 1; ; asked++) {
        await person.page.clock.fastForward(MINUTE_MS);
        await soon('it is asked again', () => apiCalls(seen).filter((call) => call.status !== 0).length >= asked);
        const statuses = apiCalls(seen).map((call) => call.status);
        if (statuses.includes(304)) break;
        assert.ok(asked < REFETCHES_MAX, `${statuses}`);
    }
    assert.ok(person.take().every((call) => call === 'GET /api/customer/dashboard'));
    person.quiet();
}

async function staysFresh(app) {
    const person = await open(app, { as: app.customer, clock: true });
    const goTo = async (page) => {
        await person.page.locator(`nav a[href="${page}"]`).first().click();
        await person.at(page);
        await person.settle();
        return person.take();
    };
    await person.goToQuiet('/app/settings');
    person.take();
    assert.deepEqual(await goTo('/app/inventory'), ['GET /api/customer/inventory?page=1&limit=50']);
    await person.page.clock.fastForward(4 * MINUTE_MS);
    assert.deepEqual(await goTo('/app/settings'), []);
    assert.deepEqual(await goTo('/app/inventory'), []);
    await person.page.clock.fastForward(2 * MINUTE_MS);
    assert.deepEqual(await goTo('/app/settings'), []);
    assert.deepEqual(await goTo('/app/inventory'), ['GET /api/customer/inventory?page=1&limit=50']);
    await person.page.clock.fastForward(24 * 60 * MINUTE_MS);
    assert.deepEqual(await goTo('/app/settings'), []);
    person.quiet();
}

/* --- how much, how quick --- */

async function small(app) {
    for (const page of ['/login', '/app/dashboard']) {
        const person = await open(app, page === '/login' ? {} : { as: app.customer });
        const seen = await watchNetwork(person);
        await person.goToQuiet(page);
        const scripts = [...seen.values()].filter((one) => one.type === 'Script');
        const bytes = scripts.reduce((sum, one) => sum + one.bytes, 0);
        console.log(`# ${page}: ${scripts.length} scripts, ${(bytes / 1024).toFixed(1)} KB`);
        assert.ok(scripts.length > 0);
        assert.ok(bytes < SCRIPT_BYTES_MAX, `${bytes} bytes`);
        // The second time nothing of it is loaded again.
        seen.clear();
        await person.goToQuiet(page);
        const again = [...seen.values()].filter((one) => ['Script', 'Stylesheet', 'Font'].includes(one.type) && !one.cached);
        assert.deepEqual(again.map((one) => one.url), []);
    }
}

async function quick(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/dashboard');
    for (const [page] of pages) {
        const before = performance.now();
        await person.goTo(page);
        await person.page.locator('main h1').first().waitFor();
        await soon('the data is there', async () => (await person.page.locator('main [aria-busy="true"]').count()) === 0);
        const ms = performance.now() - before;
        console.log(`# ${page}: usable after ${ms.toFixed(0)} ms`);
        assert.ok(ms < USABLE_MS_MAX, `${page}: ${ms} ms`);
    }
}

/* --- how they are served --- */

/* fetch() takes compression away; this leaves all as it came. */
function get(url, headers = {}) {
    return new Promise((resolve, reject) => {
        httpRequest(url, { headers }, (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }));
        }).once('error', reject).end();
    });
}

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'accept-encoding': 'gzip' };

async function policies(app) {
    for (const page of ['/login', '/signup', '/onboarding/start', '/app/dashboard', '/app/none', '/admin/customers', '/admin/customers/1']) {
        const { status, headers } = await get(app.base + page, HTML);
        assert.equal(status, 200, page);
        assert.match(headers['content-type'], /^text\/html/, page);
        assert.match(headers['cache-control'], /no-cache/, page);
        assert.equal(headers['x-content-type-options'], 'nosniff', page);
        assert.ok(headers['referrer-policy'] !== undefined, page);
        const policy = headers['content-security-policy'].split(';').map((part) => part.trim());
        for (const part of ["script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), `${page}: ${part}`);
        assert.doesNotMatch(policy.join(), /unsafe/);
    }
}

async function files(app) {
    const index = (await get(`${app.base}/login`, { accept: 'text/html' })).body.toString();
    assert.doesNotMatch(index, /https?:\/\/|<style|style=|<script>/);
    const found = [...index.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]);
    assert.ok(found.length >= 3, index);
    for (const file of found) {
        const packed = await get(app.base + file, { 'accept-encoding': 'gzip' });
        assert.equal(packed.status, 200, file);
        assert.match(packed.headers['cache-control'], /max-age=31536000.*immutable/, file);
        assert.equal(packed.headers['x-content-type-options'], 'nosniff', file);
        if (!/\.(js|css)$/.test(file)) continue;
        assert.equal(packed.headers['content-encoding'], 'gzip', file);
        assert.match(packed.headers.vary ?? '', /accept-encoding/i, file);
        const plain = await get(app.base + file, { 'accept-encoding': 'identity' });
        assert.equal(plain.headers['content-encoding'], undefined, file);
        assert.ok(plain.body.length > packed.body.length, file);
    }
    assert.equal((await get(`${app.base}/assets/none-00000000.js`)).status, 404);
}

/* The API never answers a page, and a page's address never the API's JSON to a browser that navigates. */
async function apart(app) {
    for (const [target, accept, status] of [['/api/customer/dashboard', HTML.accept, 401], ['/api/none', HTML.accept, 404],
        ['/none', HTML.accept, 404], ['/admin/customers', 'application/json', 401], ['/admin/customers/1', '*/*', 401]]) {
        const answer = await get(app.base + target, { accept });
        assert.equal(answer.status, status, `${target} ${accept}`);
        assert.match(answer.headers['content-type'], /^application\/json/, target);
    }
    const posted = await fetch(`${app.base}/app/dashboard`, { method: 'POST', headers: { accept: 'text/html' } });
    assert.notEqual(posted.status, 200);
}

const cases = [
    ['opening a page asks for what it shows, and nothing else', opening],
    ['the log-in and the sign-up ask for nothing', openingWithoutSession],
    ['the first steps ask for nothing, the last one whether Meta is connected', openingOnboarding],
    ['the admin pages ask for what they show', openingAdmin],
    ['going around asks for each page once', goingAround],
    ['the dashboard is asked again every minute, and a 304 is enough', refreshes],
    ['settings stay until they are saved, the inventory for five minutes', staysFresh],
    ['the first load of script is small, the second is none', small],
    ['a page is usable at once', quick],
    ['each page has its policies', policies],
    ['files are immutable and compressed', files],
    ['the API and the pages stay apart', apart],
];

const app = await startApp();
app.admin = await newAdmin(app);
app.customer = await newCustomer(app);
await judgeApp(app, 'rules', cases);
