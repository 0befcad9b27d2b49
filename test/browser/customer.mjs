/*
 * A customer with a real browser, from sign-up to credits: Meta's dialog and Stripe's checkout page, as the sandbox
 * has them, are clicked through, and the browser's own rules for cookies, redirects and origins hold. The pages of
 * the app stay still here, also where the frontend is built in (test/web has its own): the test asks the API from them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';

import { startBrowser } from '../openapi/chromium.mjs';
import { control, judge, startSystem, until } from '../openapi/harness.mjs';

const WAIT_MS_MAX = 30000;

/* A request from the page that is shown, as a frontend's own would be. */
async function api(state, method, target, body) {
    return state.page.evaluate(async ([sentMethod, sentTarget, sentBody]) => {
        const answer = await fetch(sentTarget, {
            method: sentMethod,
            headers: sentBody === undefined ? {} : { 'content-type': 'application/json' },
            body: sentBody === undefined ? undefined : JSON.stringify(sentBody),
        });
        return { status: answer.status, json: await answer.json() };
    }, [method, target, body]);
}

async function expectOk(state, method, target, body) {
    const answer = await api(state, method, target, body);
    assert.equal(answer.status, 200, `${method} ${target}: ${JSON.stringify(answer.json)}`);
    return answer.json;
}

/* Where the browser has come to, once it is back at the app. */
async function backAt(state, wanted) {
    await state.page.waitForURL((url) => url.origin === state.base && url.pathname === wanted);
    return new URL(state.page.url()).searchParams;
}

async function signsUp(state) {
    await state.page.goto(`${state.base}/api/docs`);
    const answer = await expectOk(state, 'POST', '/api/auth/signup',
        { email: 'browser@acme.example', password: 'three blue herons', company: 'Acme Auto' });
    assert.equal(answer.redirectTo, '/onboarding/start');
    const cookies = await state.browser.cookies(state.base);
    assert.equal(cookies.length, 1);
    assert.equal(cookies[0].name, 'lotcast_session');
    assert.equal(cookies[0].httpOnly, true);
    assert.equal(cookies[0].sameSite, 'Lax');
    assert.equal(await state.page.evaluate(() => document.cookie), '');
    const found = await expectOk(state, 'POST', '/api/onboarding/website', { url: state.system.says.site });
    assert.equal(found.itemsFound, 247);
}

/* The dialog, as the browser comes to it. */
async function openDialog(state, query = '') {
    await state.page.goto(`${state.base}/api/auth/meta/connect${query}`);
    await state.page.getByRole('heading', { name: 'Continue as Jane Doe?' }).waitFor();
    assert.notEqual(new URL(state.page.url()).origin, state.base);
}

async function refusesMeta(state) {
    await openDialog(state);
    await state.page.getByRole('button', { name: 'Cancel' }).click();
    assert.equal((await backAt(state, '/onboarding/launch')).get('error'), 'META_DENIED');
    assert.equal((await api(state, 'GET', '/api/auth/meta/accounts')).json.error.code, 'META_NOT_CONNECTED');
    // One of the permissions is kept back.
    await openDialog(state);
    await state.page.getByLabel('ads_management').uncheck();
    await state.page.getByRole('button', { name: 'Authorize' }).click();
    assert.equal((await backAt(state, '/onboarding/launch')).get('error'), 'META_DENIED');
    const launch = await api(state, 'POST', '/api/onboarding/launch', state.launch);
    assert.equal(launch.json.error.code, 'META_NOT_CONNECTED');
}

async function connectsMeta(state) {
    let callback;
    const onRequest = (request) => {
        if (new URL(request.url()).pathname === '/api/auth/meta/callback') callback = request.url();
    };
    state.page.on('request', onRequest);
    await openDialog(state, '?returnTo=/app/settings');
    await state.page.getByRole('button', { name: 'Authorize' }).click();
    assert.equal((await backAt(state, '/app/settings')).get('error'), null);
    state.page.off('request', onRequest);
    const accounts = await expectOk(state, 'GET', '/api/auth/meta/accounts');
    assert.ok(accounts.adAccounts.some((account) => account.usable && account.id === accounts.selected.adAccountId));
    // The same answer of the dialog a second time, as by the browser's history, does nothing.
    await state.page.goto(callback);
    assert.equal((await backAt(state, '/onboarding/launch')).get('error'), 'META_FAILED');
    await expectOk(state, 'GET', '/api/auth/meta/accounts');
}

async function launches(state) {
    const answer = await expectOk(state, 'POST', '/api/onboarding/launch', state.launch);
    assert.equal(answer.redirectTo, '/app/dashboard');
    assert.equal((await expectOk(state, 'GET', '/api/customer/dashboard')).status, 'running');
    const objects = await control(state.system.says.meta, 'objects');
    assert.equal(objects.campaigns.length, 1);
}

/* Buys a package: the checkout page is open. */
async function openCheckout(state, packageId, price) {
    const { checkoutUrl } = await expectOk(state, 'POST', '/api/customer/billing/purchase', { packageId });
    assert.equal(new URL(checkoutUrl).origin, new URL(state.system.says.stripe).origin);
    await state.page.goto(checkoutUrl);
    await state.page.getByText(price).waitFor();
    await state.page.getByText('browser@acme.example').waitFor();
}

/* What was bought so far, by the ledger: the balance moves by itself, since the ads run. */
async function credits(state, sessionId = '') {
    const query = sessionId === '' ? '' : `?sessionId=${encodeURIComponent(sessionId)}`;
    const billing = await expectOk(state, 'GET', `/api/customer/billing${query}`);
    const { entries, pagination } = await expectOk(state, 'GET', '/api/customer/billing/ledger?limit=200');
    assert.equal(entries.length, pagination.total);
    const bought = entries.filter((entry) => entry.kind === 'purchase').reduce((sum, entry) => sum + entry.credits, 0);
    return { billing, bought, statuses: billing.purchases.map((purchase) => purchase.status) };
}

async function cancelsCheckout(state) {
    const before = await credits(state);
    await openCheckout(state, 'pkg_500', '500.00');
    await state.page.getByRole('link', { name: 'Cancel' }).click();
    const query = await backAt(state, '/app/billing');
    assert.equal(query.get('success'), null);
    const after = await credits(state);
    assert.deepEqual(after.statuses, ['pending', ...before.statuses]);
    assert.equal(after.bought, before.bought);
}

async function pays(state) {
    const before = await credits(state);
    await openCheckout(state, 'pkg_500', '500.00');
    await state.page.getByRole('button', { name: 'Pay', exact: true }).click();
    const query = await backAt(state, '/app/billing');
    assert.equal(query.get('success'), 'true');
    // The page that Stripe sends the browser to asks with the session, and needs no webhook for it.
    const after = await credits(state, query.get('session_id'));
    assert.equal(after.statuses[0], 'completed');
    assert.equal(after.bought, before.bought + 10000);
    // The event comes as well, and changes nothing.
    await until('Stripe has told it', async () => {
        const { events } = await control(state.system.says.stripe, 'stripe_events');
        return events.some((event) => event.type === 'checkout.session.completed') && events.every((event) => event.delivered);
    });
    assert.equal((await credits(state)).bought, after.bought);
}

async function paysByBank(state) {
    const before = await credits(state);
    await openCheckout(state, 'pkg_1000', '1000.00');
    await state.page.getByRole('button', { name: 'Pay by bank' }).click();
    const session = (await backAt(state, '/app/billing')).get('session_id');
    assert.equal((await credits(state, session)).statuses[0], 'pending');
    await control(state.system.says.stripe, 'stripe_settle', { session });
    const after = await until('the credits have come', async () => {
        const now = await credits(state);
        return now.statuses[0] === 'completed' ? now : undefined;
    });
    assert.equal(after.bought, before.bought + 22000);
}

async function logsOut(state) {
    await expectOk(state, 'POST', '/api/auth/logout', {});
    assert.deepEqual(await state.browser.cookies(state.base), []);
    assert.equal((await api(state, 'GET', '/api/customer/billing')).json.error.code, 'AUTH_REQUIRED');
}

/* A page of another origin, where the session of this one must be of no use. */
async function keepsOtherOriginsOut(state) {
    await state.page.goto(`${state.system.says.stripe}/c/pay/none`);
    assert.notEqual(new URL(state.page.url()).hostname, new URL(state.base).hostname);
    const [refused] = await Promise.all([
        state.page.waitForResponse((answer) => answer.url().endsWith('/api/auth/logout')),
        state.page.evaluate((base) => fetch(`${base}/api/auth/logout`, { method: 'POST', mode: 'no-cors', credentials: 'include' }), state.base),
    ]);
    assert.equal(refused.status(), 403);
    assert.equal((await refused.request().allHeaders()).cookie, undefined);
    await state.page.goto(`${state.base}/api/docs`);
    assert.equal((await credits(state)).billing.credits.current > 0, true);
}

const cases = [
    ['signs up, with a cookie that no script reads', signsUp],
    ['refuses Meta, all of it and a part', refusesMeta],
    ['connects Meta, once', connectsMeta],
    ['launches', launches],
    ['leaves the checkout page', cancelsCheckout],
    ['pays, and the credits are there', pays],
    ['pays by bank, and the credits come', paysByBank],
    ['is safe from pages of other origins', keepsOtherOriginsOut],
    ['logs out', logsOut],
];

const state = {
    work: await mkdtemp(path.join(os.tmpdir(), 'lotcast-browser-')),
    system: await startSystem(),
    launch: { monthlyBudget: 2500, currency: 'USD', targeting: { countries: ['US'], ageMin: 25, ageMax: 65 } },
};
state.base = state.system.url;
state.browser = await startBrowser(state.work);
state.page = await state.browser.newPage();
state.page.setDefaultTimeout(WAIT_MS_MAX);
await state.page.route((url) => url.origin === state.base && url.pathname.startsWith('/assets/'), (route) => route.abort());
await control(state.system.says.stripe, 'stripe_webhook', { url: `${state.base}/api/webhooks/stripe` });
await judge(state, cases, async () => {
    await state.browser.close();
    await rm(state.work, { recursive: true, force: true });
    assert.deepEqual(await state.system.stop(), [0, 0]);
});
