/*
 * Prism, a proxy that validates, stands between a browser and a live system: it compares every request and every
 * answer with the served document and says in `sl-violations` where they part. The cases walk all endpoints the
 * way real users do, and ask for what is refused as well.
 */
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';

import { Browser, control, freePort, judge, program, start, startSystem, until } from './harness.mjs';

/* What the request may be in the document's eyes; whatever it is, the answer must be as the document says. */
const VALID = 'valid';
const INVALID = 'invalid'; // the document does not allow the request
const UNDESCRIBED = 'undescribed'; // it has no such operation, so that there is nothing to compare with

const PASSWORD = 'three blue herons';
const LAUNCH = { monthlyBudget: 2500, currency: 'USD', targeting: { countries: ['US'], ageMin: 25, ageMax: 65 } };

async function startPrism(state) {
    const port = await freePort();
    const file = path.join(state.work, 'openapi.json');
    await writeFile(file, JSON.stringify(state.document));
    const prism = start(process.execPath, [
        program('@stoplight/prism-cli', 'prism'), 'proxy', file, state.system.url, '--port', `${port}`, '--host', '127.0.0.1',
    ]);
    prism.child.stdout.on('data', prism.keep);
    prism.url = `http://127.0.0.1:${port}`;
    await until('prism is ready', async () => (await fetch(`${prism.url}/healthz`).catch(() => ({}))).ok);
    return prism;
}

/* Which operation a request is one of, as the document has it. */
function operationOf(document, method, target) {
    const at = target.split('?')[0].split('/');
    for (const [template, item] of Object.entries(document.paths)) {
        const parts = template.split('/');
        const fits = parts.length === at.length && parts.every((part, i) => part === at[i] || part.startsWith('{'));
        if (fits && item[method.toLowerCase()]) return item[method.toLowerCase()];
    }
    return undefined;
}

function checkViolations(violations, kind) {
    const places = violations.map((violation) => violation.location[0]);
    if (kind === VALID) assert.deepEqual(violations, []);
    else assert.ok(places.length > 0 && places.every((place) => place === 'request'), JSON.stringify(violations, null, 1));
}

/*
 * Sends through prism; checks status, code, and what prism says. `want` is "200", or "400 INVALID_URL".
 */
async function ask(state, browser, want, method, target, body, { kind = VALID, ...options } = {}) {
    const answer = await browser.send(method, target, { body, ...options });
    const what = `${method} ${target} ${JSON.stringify(body) ?? ''}`;
    const violations = JSON.parse(answer.headers.get('sl-violations') ?? '[]');
    const code = answer.json?.error?.code;
    assert.equal(code === undefined ? `${answer.status}` : `${answer.status} ${code}`, want, `${what}: ${answer.text}`);
    try {
        checkViolations(violations, kind);
    } catch (error) {
        throw new Error(`${what} → ${answer.status} ${answer.text.slice(0, 500)}\n${error.message}`);
    }
    const operation = operationOf(state.document, method, target);
    if (operation !== undefined) {
        const seen = state.seen.get(operation.operationId) ?? new Set();
        state.seen.set(operation.operationId, seen.add(`${answer.status}`));
    }
    return answer;
}

function newBrowser(state) {
    return new Browser(state.prism.url);
}

async function signUp(state, email, company = 'Acme Auto') {
    const browser = newBrowser(state);
    await ask(state, browser, '200', 'POST', '/api/auth/signup', { email, password: PASSWORD, company, name: 'Jane' });
    return browser;
}

/* Through Meta's dialog, as a browser goes: prism follows redirects by itself, so this goes round it. */
async function connectMeta(state, browser) {
    const direct = new Browser(state.system.url);
    direct.cookie = browser.cookie;
    const dialog = (await direct.send('GET', '/api/auth/meta/connect')).headers.get('location');
    const confirm = dialog.replace('/oauth?', '/oauth/confirm?decision=authorize&');
    const callback = (await fetch(confirm, { redirect: 'manual' })).headers.get('location');
    const back = (await direct.send('GET', callback)).headers.get('location');
    assert.doesNotMatch(back, /error/);
}

function signed(state, payload) {
    const at = Math.floor(Date.now() / 1000);
    const mac = createHmac('sha256', state.system.says.stripe_webhook_secret).update(`${at}.${payload}`).digest('hex');
    return `t=${at},v1=${mac}`;
}

async function signUps(state) {
    const sign = (want, body, options) => ask(state, newBrowser(state), want, 'POST', '/api/auth/signup', body, options);
    state.customer = await signUp(state, 'jane@acme.example');
    await sign('409 EMAIL_TAKEN', { email: 'JANE@acme.example', password: PASSWORD, company: 'Other' });
    await sign('400 WEAK_PASSWORD', { email: 'a@acme.example', password: 'password', company: 'Other' });
    await sign('400 INVALID_ARGUMENT', { email: 'a@acme.example', password: PASSWORD, company: '' }, { kind: INVALID });
    await sign('400 INVALID_ARGUMENT', { email: 'a@acme.example', password: PASSWORD, company: ' ' });
    await sign('400 INVALID_EMAIL', { email: 'nobody', password: PASSWORD, company: 'Other' }, { kind: INVALID });
    await sign('400 INVALID_EMAIL', {}, { kind: INVALID });
    await sign('400 INVALID_EMAIL', undefined, { kind: INVALID });
    await sign('400 UNKNOWN_FIELD', { email: 'a@acme.example', password: PASSWORD, company: 'x', role: 'admin' }, { kind: INVALID });
    await sign('400 INVALID_ARGUMENT', { email: 'a@acme.example', password: 5, company: 'x' }, { kind: INVALID });
    await sign('415 UNSUPPORTED_MEDIA_TYPE', {}, { raw: 'email=a', headers: { 'content-type': 'application/x-www-form-urlencoded' }, kind: INVALID });
    await sign('403 CROSS_ORIGIN', { email: 'b@acme.example', password: PASSWORD, company: 'x' }, { headers: { origin: 'https://evil.example' } });
}

async function sessions(state) {
    const { customer } = state;
    const login = (browser, want, email, password, options) =>
        ask(state, browser, want, 'POST', '/api/auth/login', { email, password }, options);
    const session = await ask(state, customer, '200', 'GET', '/api/auth/session');
    assert.equal(session.json.user.role, 'customer');
    state.customerId = session.json.user.id;
    await ask(state, newBrowser(state), '401 AUTH_REQUIRED', 'GET', '/api/auth/session', undefined, { kind: INVALID });
    const other = newBrowser(state);
    await login(other, '200', 'jane@acme.example', PASSWORD);
    await login(newBrowser(state), '401 INVALID_CREDENTIALS', 'jane@acme.example', 'wrong password');
    await login(newBrowser(state), '401 INVALID_CREDENTIALS', 'nobody@acme.example', 'wrong password');
    await ask(state, other, '200', 'POST', '/api/auth/logout', {});
    await ask(state, newBrowser(state), '200', 'POST', '/api/auth/logout');
    const change = (want, currentPassword, newPassword, options) =>
        ask(state, customer, want, 'POST', '/api/auth/password', { currentPassword, newPassword }, options);
    await change('401 INVALID_CREDENTIALS', 'wrong password', 'four grey herons');
    await change('400 WEAK_PASSWORD', PASSWORD, 'short');
    await change('400 WEAK_PASSWORD', PASSWORD, undefined, { kind: INVALID });
    await change('200', PASSWORD, 'four grey herons');
    for (let i = 0; i < 10; i++) await login(newBrowser(state), '401 INVALID_CREDENTIALS', 'guessed@acme.example', `guess number ${i}`);
    const late = await login(newBrowser(state), '429 RATE_LIMITED', 'guessed@acme.example', 'guess number 10');
    assert.match(late.headers.get('retry-after'), /^\d+$/);
}

async function newCustomers(state) {
    const { customer } = state;
    const get = (want, target, options) => ask(state, customer, want, 'GET', target, undefined, options);
    const post = (want, target, body, options) => ask(state, customer, want, 'POST', target, body, options);
    const dashboard = await get('200', '/api/customer/dashboard');
    assert.equal(dashboard.json.status, 'setup');
    await get('304', '/api/customer/dashboard', { headers: { 'if-none-match': dashboard.headers.get('etag') } });
    for (const page of ['ads', 'ads/sync/status', 'settings', 'settings/scan-status', 'performance', 'inventory', 'billing',
        'billing/packages', 'billing/ledger', 'announcements']) await get('200', `/api/customer/${page}`);
    await get('409 META_NOT_CONNECTED', '/api/auth/meta/accounts');
    await post('409 META_NOT_CONNECTED', '/api/auth/meta/select', { adAccountId: 'act_1', pageId: '2', businessId: '3' });
    await post('409 NOT_LAUNCHED', '/api/customer/ads/sync', {});
    await post('409 NOT_LAUNCHED', '/api/customer/ads/pause', {});
    await post('409 NOT_LAUNCHED', '/api/customer/ads/resume');
    await post('409 WEBSITE_NOT_CONNECTED', '/api/customer/settings/test-website');
    await post('409 WEBSITE_NOT_CONNECTED', '/api/onboarding/launch', LAUNCH);
    await ask(state, customer, '409 NOT_LAUNCHED', 'PATCH', '/api/customer/ads', { monthlyBudget: 100 });
    for (const [method, target, body] of [['GET', '/api/customer/dashboard'], ['PATCH', '/api/customer/settings', {}],
        ['POST', '/api/onboarding/website', { url: 'acme.com' }], ['GET', '/api/customer/billing/ledger']])
        await ask(state, newBrowser(state), '401 AUTH_REQUIRED', method, target, body, { kind: INVALID });
}

async function websites(state) {
    const post = (want, url, options) => ask(state, state.customer, want, 'POST', '/api/onboarding/website', { url }, options);
    for (const url of ['invalid', 'ftp://acme.com', 'http://10.0.0.1/']) await post('400 INVALID_URL', url);
    await post('400 INVALID_URL', '', { kind: INVALID });
    await post('400 INVALID_URL', undefined, { kind: INVALID });
    await post('400 INVALID_ARGUMENT', 7, { kind: INVALID });
    await post('422 WEBSITE_UNREACHABLE', `http://127.0.0.1:${await freePort()}/`);
    const found = await post('200', state.system.says.site);
    assert.equal(found.json.itemsFound, 247);
    await ask(state, state.customer, '200', 'POST', '/api/customer/settings/test-website', {});
    await ask(state, state.customer, '200', 'GET', '/api/customer/settings/scan-status');
}

async function metaAccounts(state) {
    const { customer } = state;
    // Prism follows the redirects, and so ends at Meta's page and at the frontend's, if it is there.
    await ask(state, customer, '200', 'GET', '/api/auth/meta/connect?returnTo=/app/settings');
    // The page that it leads to, where the frontend is built in.
    const page = await fetch(`${state.system.url}/onboarding/launch`, { headers: { accept: 'text/html' } });
    await ask(state, customer, page.status === 200 ? '200' : '404 NOT_FOUND', 'GET', '/api/auth/meta/callback?code=x&state=y');
    await ask(state, newBrowser(state), '401 AUTH_REQUIRED', 'GET', '/api/auth/meta/connect', undefined, { kind: INVALID });
    await ask(state, customer, '409 META_NOT_CONNECTED', 'POST', '/api/onboarding/launch', LAUNCH);
    await connectMeta(state, customer);
    const accounts = await ask(state, customer, '200', 'GET', '/api/auth/meta/accounts');
    const select = (want, change, options) =>
        ask(state, customer, want, 'POST', '/api/auth/meta/select', { ...accounts.json.selected, ...change }, options);
    await select('200', {});
    await select('400 INVALID_ARGUMENT', { adAccountId: 'act_0' });
    await select('400 INVALID_ARGUMENT', { pageId: undefined }, { kind: INVALID });
}

async function launches(state) {
    const launch = (want, change, options) =>
        ask(state, state.customer, want, 'POST', '/api/onboarding/launch', { ...LAUNCH, ...change }, options);
    await launch('400 INVALID_BUDGET', { monthlyBudget: 29 }, { kind: INVALID });
    await launch('400 INVALID_BUDGET', { monthlyBudget: undefined }, { kind: INVALID });
    await launch('400 INVALID_CURRENCY', { currency: 'EUR' });
    await launch('400 INVALID_TARGETING', { targeting: { countries: ['XX'], ageMin: 25, ageMax: 65 } });
    await launch('400 INVALID_TARGETING', { targeting: { countries: ['US'], ageMin: 17, ageMax: 65 } }, { kind: INVALID });
    await launch('400 INVALID_TARGETING', { targeting: null }, { kind: INVALID });
    await launch('400 INVALID_ARGUMENT', { monthlyBudget: '2500' }, { kind: INVALID });
    await launch('400 UNKNOWN_FIELD', { targeting: { ...LAUNCH.targeting, gender: 1 } }, { kind: INVALID });
    const launched = await launch('200', {});
    assert.equal(launched.json.redirectTo, '/app/dashboard');
    await launch('409 ALREADY_LAUNCHED', {});
    await ask(state, state.customer, '409 ALREADY_LAUNCHED', 'POST', '/api/auth/meta/select',
        { adAccountId: 'act_1', pageId: '2', businessId: '3' });
    await until('figures', async () => {
        const { json } = await ask(state, state.customer, '200', 'GET', '/api/customer/dashboard');
        return json.performance.reach > 0 && json.status === 'running';
    });
}

async function suggestions(state) {
    const { code, log } = await state.system.lotctl(['suggestion', 'publish', '--message', 'New template available']);
    assert.equal(code, 0, log);
    const dashboard = await until('the suggestion', async () => {
        const { json } = await ask(state, state.customer, '200', 'GET', '/api/customer/dashboard');
        return json.suggestion === null ? undefined : json;
    });
    const dismiss = (want, body, options) =>
        ask(state, state.customer, want, 'POST', '/api/customer/suggestion/dismiss', body, options);
    await dismiss('200', { id: dashboard.suggestion.id });
    await dismiss('404 NOT_FOUND', { id: 'announcement-999' });
    await dismiss('400 INVALID_ARGUMENT', {}, { kind: INVALID });
}

async function ads(state) {
    const { customer } = state;
    const post = (want, name, body, options) => ask(state, customer, want, 'POST', `/api/customer/ads/${name}`, body, options);
    const patch = (want, body, options) => ask(state, customer, want, 'PATCH', '/api/customer/ads', body, options);
    const page = await ask(state, customer, '200', 'GET', '/api/customer/ads');
    assert.equal(page.json.metaCampaign.campaignStatus, 'active');
    await patch('200', { monthlyBudget: 3000 });
    await patch('200', { targeting: { countries: ['US', 'CA'], ageMin: 21, ageMax: 60 } });
    await patch('200', { monthlyBudget: null, targeting: null });
    await patch('200', {});
    await patch('400 INVALID_BUDGET', { monthlyBudget: 1 }, { kind: INVALID });
    await patch('400 INVALID_TARGETING', { targeting: { countries: [], ageMin: 21, ageMax: 60 } }, { kind: INVALID });
    await control(state.system.says.meta, 'fail', { service: 'meta', method: 'POST', path: '/', times: -1, status: 500 });
    await patch('502 UPSTREAM_ERROR', { monthlyBudget: 3100 });
    await control(state.system.says.meta, 'clear', {});
    await post('200', 'auto-sync', { enabled: false });
    await post('200', 'auto-sync', { enabled: true });
    await post('400 INVALID_ARGUMENT', 'auto-sync', {}, { kind: INVALID });
    await post('400 INVALID_ARGUMENT', 'auto-sync', { enabled: 'yes' }, { kind: INVALID });
    const synced = await post('200', 'sync');
    assert.equal(synced.json.itemsProcessed, 247);
    await post('200', 'sync', { confirmRemovals: false });
    await ask(state, customer, '200', 'GET', '/api/customer/ads/sync/status');
    await post('200', 'pause', {});
    await ask(state, customer, '200', 'GET', '/api/customer/dashboard');
    await post('200', 'resume');
}

async function settings(state) {
    const { customer } = state;
    const patch = (want, body, options) => ask(state, customer, want, 'PATCH', '/api/customer/settings', body, options);
    await ask(state, customer, '200', 'GET', '/api/customer/settings');
    await patch('200', { user: { name: 'John Doe', email: 'john.doe@acme.example', company: 'Acme Inc.', timeZone: 'America/New_York' } });
    await patch('200', { user: { name: null, timeZone: 'UTC' }, website: null });
    await patch('200', {});
    await patch('400 INVALID_EMAIL', { user: { email: 'john' } }, { kind: INVALID });
    await patch('400 INVALID_ARGUMENT', { user: { timeZone: 'Mars/Olympus' } });
    await patch('400 INVALID_URL', { website: { url: 'invalid' } });
    await patch('400 UNKNOWN_FIELD', { user: { role: 'admin' } }, { kind: INVALID });
    await patch('400 UNKNOWN_FIELD', { credits: 5 }, { kind: INVALID });
    await signUp(state, 'taken@acme.example');
    await patch('409 EMAIL_TAKEN', { user: { email: 'taken@acme.example' } });
    await ask(state, customer, '200', 'GET', '/api/customer/settings/scan-status');
}

async function figures(state) {
    const get = (want, query, options) =>
        ask(state, state.customer, want, 'GET', `/api/customer/performance${query}`, undefined, options);
    for (const query of ['', '?period=7d', '?period=30d', '?period=90d', '?from=2026-01-07&to=2026-02-05', '/export', '/export?period=7d',
        '/export?from=2026-01-07&to=2026-01-09']) await get('200', query);
    const page = await get('200', '?period=7d');
    await get('304', '?period=7d', { headers: { 'if-none-match': page.headers.get('etag') } });
    await get('400 INVALID_PERIOD', '?period=8d', { kind: INVALID });
    await get('400 INVALID_PERIOD', '?from=2026-02-30&to=2026-03-01', { kind: INVALID });
    await get('400 INVALID_PERIOD', '?from=2026-01-07');
    await get('400 INVALID_PERIOD', '/export?from=2026-02-07&to=2026-01-07');
    const csv = await get('200', '/export?period=30d');
    assert.match(csv.text, /^date,impressions,clicks,ctr,reach\r\n/);
    await ask(state, newBrowser(state), '401 AUTH_REQUIRED', 'GET', '/api/customer/performance/export', undefined, { kind: INVALID });
}

async function inventory(state) {
    const get = (want, query, options) =>
        ask(state, state.customer, want, 'GET', `/api/customer/inventory${query}`, undefined, options);
    for (const query of ['', '?page=1&limit=50', '?page=2&limit=200', '?page=99', '?search=Honda', '?search=hon%C3%ADda%20civic',
        '?filters[inStock]=true', '?filters%5BinStock%5D=false&sort=-price', '?filters[minPrice]=10000&filters[maxPrice]=20000.50&sort=price',
        '?sort=title', '?sort=-title&limit=1']) await get('200', query);
    for (const query of ['?page=0', '?limit=201', '?limit=ten', '?sort=size'])
        await get('400 INVALID_ARGUMENT', query, { kind: INVALID });
    // Prism does not look at names in brackets, nor at parameters that the document lacks.
    for (const query of ['?filters[inStock]=maybe', '?filters[minPrice]=-1', '?filters[size]=1', '?colour=red'])
        await get('400 INVALID_ARGUMENT', query);
}

async function billing(state) {
    const { customer } = state;
    const get = (want, target, options) => ask(state, customer, want, 'GET', `/api/customer/billing${target}`, undefined, options);
    const buy = (want, body, options) => ask(state, customer, want, 'POST', '/api/customer/billing/purchase', body, options);
    const { json: { packages } } = await get('200', '/packages');
    const keyed = { headers: { 'idempotency-key': 'a-key' } };
    const bought = await buy('200', { packageId: packages[0].id }, keyed);
    const again = await buy('200', { packageId: packages[0].id }, keyed);
    assert.equal(again.json.checkoutUrl, bought.json.checkoutUrl);
    await buy('409 CONFLICT', { packageId: packages[1].id }, keyed);
    await buy('400 INVALID_PACKAGE', { packageId: 'pkg_1' });
    await buy('400 INVALID_PACKAGE', {}, { kind: INVALID });
    await get('200', '');
    await fetch(`${bought.json.checkoutUrl}/confirm`, { method: 'POST', redirect: 'manual' });
    const paid = await get('200', `?sessionId=${bought.json.checkoutUrl.split('/').pop()}`);
    assert.equal(paid.json.purchases[0].status, 'completed');
    await get('200', '?sessionId=cs_nobody');
    await get('200', '/ledger?page=1&limit=2');
    await get('400 INVALID_ARGUMENT', '/ledger?limit=0', { kind: INVALID });
    await control(state.system.says.meta, 'fail', { method: 'POST', path: '/v1/checkout/sessions', times: -1, status: 500 });
    await buy('502 UPSTREAM_ERROR', { packageId: packages[0].id });
    await control(state.system.says.meta, 'clear', {});
}

async function webhooks(state) {
    const payload = JSON.stringify({ id: 'evt_other', object: 'event', type: 'product.created', livemode: false, data: { object: {} } });
    const post = (want, headers, options) => ask(state, newBrowser(state), want, 'POST', '/api/webhooks/stripe', {},
        { raw: payload, headers: { 'content-type': 'application/json', ...headers }, ...options });
    await post('200', { 'stripe-signature': signed(state, payload) });
    await post('400 INVALID_SIGNATURE', { 'stripe-signature': 't=1,v1=00' });
    await post('400 INVALID_SIGNATURE', {}, { kind: INVALID });
}

async function admins(state) {
    const made = await state.system.lotctl(['admin', 'create', '--email', 'ada@lotcast.example'], 'admin herons 1\n');
    assert.equal(made.code, 0, made.log);
    const admin = newBrowser(state);
    state.admin = admin;
    const id = state.customerId;
    await ask(state, admin, '200', 'POST', '/api/auth/login', { email: 'ada@lotcast.example', password: 'admin herons 1' });
    const session = await ask(state, admin, '200', 'GET', '/api/auth/session');
    assert.equal(session.json.onboarding, null);
    const get = (want, target, options) => ask(state, admin, want, 'GET', target, undefined, options);
    const post = (want, name, body, options) => ask(state, admin, want, 'POST', `/admin/customers/${id}/${name}`, body, options);
    for (const query of ['', '?page=1&limit=1', '?search=acme', '?filters[status]=running']) await get('200', `/admin/customers${query}`);
    await get('400 INVALID_ARGUMENT', '/admin/customers?page=0', { kind: INVALID });
    await get('400 INVALID_ARGUMENT', '/admin/customers?filters[status]=asleep');
    await get('200', `/admin/customers/${id}`);
    await get('200', `/admin/customers/${id}`, { headers: { 'x-customer-id': id } });
    await get('400 INVALID_ARGUMENT', `/admin/customers/${id}`, { headers: { 'x-customer-id': '999' } });
    await get('404 NOT_FOUND', '/admin/customers/999999');
    await post('200', 'credits', { credits: 500, reason: 'Goodwill' });
    await post('200', 'credits', { credits: -100, reason: 'A mistake' });
    await post('400 INVALID_ARGUMENT', 'credits', { credits: 1.5, reason: 'x' }, { kind: INVALID });
    await post('400 INVALID_ARGUMENT', 'credits', { reason: 'x' }, { kind: INVALID });
    await post('400 INVALID_ARGUMENT', 'suspend', {}, { kind: INVALID });
    await post('200', 'suspend', { reason: 'Chargebacks' });
    await ask(state, newBrowser(state), '403 ACCOUNT_SUSPENDED', 'POST', '/api/auth/login',
        { email: 'john.doe@acme.example', password: 'four grey herons' });
    await ask(state, state.customer, '401 AUTH_REQUIRED', 'GET', '/api/customer/dashboard');
    await post('200', 'resume', { reason: 'Settled' });
    await get('200', '/admin/audit?page=1&limit=5');
    // A customer's pages, for an admin who names them; and for one who does not.
    const named = { headers: { 'x-customer-id': id } };
    for (const page of ['dashboard', 'ads', 'ads/sync/status', 'settings', 'settings/scan-status', 'performance', 'performance/export', 'inventory',
        'billing', 'billing/packages', 'billing/ledger', 'announcements']) await get('200', `/api/customer/${page}`, named);
    await get('403 FORBIDDEN', '/api/customer/dashboard');
    await get('404 NOT_FOUND', '/api/customer/dashboard', { headers: { 'x-customer-id': '999999' } });
    await ask(state, admin, '403 FORBIDDEN', 'POST', '/api/customer/ads/pause', {}, named);
    await ask(state, state.customer, '200', 'POST', '/api/auth/login', { email: 'john.doe@acme.example', password: 'four grey herons' });
    for (const target of ['/admin/customers', `/admin/customers/${id}`, '/admin/audit'])
        await ask(state, state.customer, '403 FORBIDDEN', 'GET', target);
    await ask(state, state.customer, '403 FORBIDDEN', 'POST', `/admin/customers/${id}/credits`, { credits: 5, reason: 'x' });
}

async function disconnection(state) {
    const disconnect = (want) => ask(state, state.customer, want, 'POST', '/api/customer/settings/disconnect-meta', {});
    await control(state.system.says.meta, 'fail', { service: 'meta', path: '/', times: -1, status: 500 });
    await disconnect('502 UPSTREAM_ERROR');
    await control(state.system.says.meta, 'clear', {});
    await disconnect('200');
    await disconnect('200');
    await ask(state, state.customer, '409 META_NOT_CONNECTED', 'POST', '/api/customer/ads/sync', {});
    await ask(state, state.customer, '200', 'GET', '/api/customer/settings');
    const page = await ask(state, state.customer, '200', 'GET', '/api/customer/ads');
    assert.equal(page.json.autoSync.nextRun, null);
}

async function pages(state) {
    const browser = newBrowser(state);
    for (const page of ['/healthz', '/readyz', '/metrics', '/api/openapi.json'].concat(state.document.paths['/api/docs'] ? ['/api/docs'] : []))
        await ask(state, browser, '200', 'GET', page);
    const document = await ask(state, browser, '200', 'GET', '/api/openapi.json');
    await ask(state, browser, '304', 'GET', '/api/openapi.json', undefined, { headers: { 'if-none-match': document.headers.get('etag') } });
    await ask(state, browser, '404 NOT_FOUND', 'GET', '/api/nothing', undefined, { kind: UNDESCRIBED });
    await ask(state, browser, '405 METHOD_NOT_ALLOWED', 'DELETE', '/api/customer/dashboard', undefined, { kind: UNDESCRIBED });
    await ask(state, browser, '204', 'OPTIONS', '/api/customer/dashboard', undefined, { kind: UNDESCRIBED });
}

/* The same body without one field, or with another value for it; `path` leads there. */
function changed(body, path, value) {
    const copy = structuredClone(body);
    const place = path.slice(0, -1).reduce((at, name) => at[name], copy);
    if (value === undefined) delete place[path.at(-1)];
    else place[path.at(-1)] = value;
    return copy;
}

/* Every field of an example, with whether its schema requires it: [path, required]. */
function* fieldsOf(document, schema, example, path = []) {
    const resolved = schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').pop()];
    const inner = resolved.oneOf?.[0] ?? resolved.allOf?.[0] ?? resolved;
    if (inner !== resolved) yield* fieldsOf(document, inner, example, path);
    for (const [name, property] of Object.entries(resolved.properties ?? {})) {
        yield [[...path, name], resolved.required?.includes(name) ?? false];
        if (example?.[name] !== undefined) yield* fieldsOf(document, property, example[name], [...path, name]);
    }
}

/*
 * What the document requires is what the service demands, whatever the state; what it does not require may be null.
 * Straight to the service: prism has nothing to say here.
 */
async function requirements(state) {
    let count = 0;
    for (const [target, item] of Object.entries(state.document.paths)) {
        for (const [method, operation] of Object.entries(item)) {
            const content = operation.requestBody?.content?.['application/json'];
            if (content?.example === undefined) continue;
            const browser = new Browser(state.system.url);
            const { cookie } = target.startsWith('/admin') ? state.admin : state.customer;
            const send = (body) => {
                browser.cookie = operation.security.length === 0 ? '' : cookie;
                return browser.send(method.toUpperCase(), target.replace('{id}', state.customerId), { body });
            };
            for (const [path, required] of fieldsOf(state.document, content.schema, content.example)) {
                const name = `${target} ${path.join('.')}`;
                for (const value of [undefined, null]) {
                    const { status, text } = await send(changed(content.example, path, value));
                    if (required) assert.equal(status, 400, `${name} is required: ${text}`);
                    else assert.notEqual(status, 400, `${name} is not required: ${text}`);
                }
                const { json } = await send(changed(content.example, path, { a: 1 }));
                assert.match(json.error?.code ?? '', /UNKNOWN_FIELD|INVALID_/, name);
                count++;
            }
            const { json } = await send({ ...content.example, unheardOf: 1 });
            assert.equal(json.error?.code, 'UNKNOWN_FIELD', target);
        }
    }
    assert.ok(count > 25, `${count}`);
}

async function coverage(state) {
    const operations = Object.values(state.document.paths).flatMap((item) => Object.values(item));
    const redirects = operations.filter((operation) => operation.responses['302']).map((operation) => operation.operationId);
    for (const { operationId } of operations) {
        const seen = [...state.seen.get(operationId) ?? []];
        assert.ok(redirects.includes(operationId) || seen.includes('200'), `${operationId} was never seen to succeed: ${seen}`);
    }
}

/* A proxy that finds nothing would pass everything. */
async function proxyWorks(state) {
    const wrong = structuredClone(state.document);
    wrong.components.schemas.GetSessionResponse.properties.user = { type: 'string' };
    wrong.paths['/api/auth/session'].get.security = [];
    const prism = await startPrism({ ...state, document: wrong });
    const answer = await new Browser(prism.url).send('GET', '/healthz');
    const browser = new Browser(prism.url);
    browser.cookie = state.customer.cookie;
    const session = await browser.send('GET', '/api/auth/session');
    await prism.stop();
    assert.equal(answer.headers.get('sl-violations'), null);
    assert.match(session.headers.get('sl-violations') ?? '', /response/);
}

const cases = [
    ['sign-up', signUps],
    ['sessions and passwords', sessions],
    ['a customer who has just come', newCustomers],
    ['connecting a website', websites],
    ['Meta and its accounts', metaAccounts],
    ['launch', launches],
    ['suggestions', suggestions],
    ['ads, their budget and their sync', ads],
    ['settings', settings],
    ['performance and its export', figures],
    ['inventory', inventory],
    ['billing', billing],
    ['webhooks', webhooks],
    ['admins', admins],
    ['disconnecting Meta', disconnection],
    ['what requests must have', requirements],
    ['what is no method', pages],
    ['every operation was seen to succeed', coverage],
    ['the proxy does find what is wrong', proxyWorks],
];

const state = { work: await mkdtemp(path.join(os.tmpdir(), 'lotcast-prism-')), system: await startSystem(), seen: new Map() };
state.document = await (await fetch(`${state.system.url}/api/openapi.json`)).json();
state.prism = await startPrism(state);
await judge(state, cases, async () => {
    await state.prism.stop();
    await rm(state.work, { recursive: true, force: true });
    assert.deepEqual(await state.system.stop(), [0, 0]);
});
