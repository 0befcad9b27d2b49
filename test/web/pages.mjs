/*
 * Each page of a customer whose ads run, as somebody uses it: what is shown, what is changed by clicks, what is asked
 * of the API for that (data-flows.md, page by page). The admins' pages: admin.mjs.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { control } from '../openapi/harness.mjs';
import { judgeApp, newAdmin, newCustomer, open, soon, startApp } from './app.mjs';

const MINUTE_MS = 60000;

/* --- dashboard --- */

async function dashboard(app) {
    const person = await open(app, { as: app.customer });
    await person.goTo('/app/dashboard');
    await person.sees('Ads Running');
    const { performance, credits, itemCount } = (await app.customer.api.send('GET', '/api/customer/dashboard')).json;
    assert.equal(itemCount, 247);
    for (const text of ['123K', '2,340', '1.89%', '45.6K', credits.remaining.toLocaleString('en'), `~${credits.daysEstimate} days`]) await person.sees(text);
    // Rounded ones have the exact number as their title.
    await person.page.getByTitle(performance.impressions.toLocaleString('en')).waitFor();
    person.quiet();
}

/* What changes meanwhile is there after a minute, without a hand. */
async function dashboardChanges(app) {
    const customer = await newCustomer(app);
    const person = await open(app, { as: customer, clock: true });
    await person.goToQuiet('/app/dashboard');
    await person.sees('Ads Running');
    await customer.api.send('POST', '/api/customer/ads/pause', { body: {} });
    const published = await app.system.lotctl(['suggestion', 'publish', '--message', 'New template available']);
    assert.equal(published.code, 0, published.log);
    await person.page.clock.fastForward(MINUTE_MS);
    await person.sees('Ads Paused');
    const suggestion = person.page.getByRole('region', { name: 'Suggestion' });
    await suggestion.getByText('New template available').waitFor();
    // Fewer than three days are left.
    await customer.api.send('POST', '/api/customer/ads/resume', { body: {} });
    const { credits } = (await customer.api.send('GET', '/api/customer/dashboard')).json;
    const left = await app.admin.api.send('POST', `/admin/customers/${customer.id}/credits`, { body: { credits: 1000 - credits.remaining, reason: 'a test' } });
    assert.equal(left.status, 200, left.text);
    await person.page.clock.fastForward(MINUTE_MS);
    await person.sees('Running low');
    await person.sees('Ads Running');
    assert.ok(await suggestion.getByRole('link').getAttribute('href') === '/app/billing');
    await app.system.lotctl(['suggestion', 'withdraw', published.out.trim()]);
}

async function suggestionGoes(app) {
    const published = await app.system.lotctl(['suggestion', 'publish', '--message', 'Try the winter template']);
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/dashboard');
    const suggestion = person.page.getByRole('region', { name: 'Suggestion' });
    await suggestion.getByText('Try the winter template').waitFor();
    const mend = await person.answerWith('POST', '/api/customer/suggestion/dismiss', 500);
    await suggestion.getByRole('button', { name: 'Dismiss' }).click();
    // It comes back, since it could not be dismissed.
    await person.seesToast('could not be dismissed');
    await suggestion.getByText('Try the winter template').waitFor();
    await mend();
    await suggestion.getByRole('button', { name: 'Dismiss' }).click();
    await soon('it is gone', async () => (await suggestion.getByText('Try the winter template').count()) === 0);
    await person.goToQuiet('/app/dashboard');
    assert.equal(await suggestion.getByText('Try the winter template').count(), 0);
    await app.system.lotctl(['suggestion', 'withdraw', published.out.trim()]);
}

/* --- ads --- */

async function adsStatus(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/ads');
    assert.deepEqual(person.take(), ['GET /api/customer/ads']);
    const { metaCampaign } = (await app.customer.api.send('GET', '/api/customer/ads')).json;
    for (const [title, ...texts] of [['Product Catalog', metaCampaign.catalogId, '247'], ['Campaign', 'Acme Auto', 'Active', '$2,500'],
        ['Dynamic Ads', metaCampaign.adFormats.join(', '), 'United States', '25 to 65']]) {
        const card = person.page.getByRole('region', { name: title, exact: true });
        for (const text of texts) await card.getByText(text).first().waitFor();
    }
    await person.page.getByRole('tabpanel').getByText('Live', { exact: true }).first().waitFor();
    person.quiet();
}

async function openAutomation(person) {
    await person.goTo('/app/ads');
    await person.page.getByRole('tab', { name: 'Automation' }).click();
    await person.sees(/Next run: .* at /);
    await person.settle();
    person.take();
}

const AUTO_SYNC = 'POST /api/customer/ads/auto-sync';

async function togglesAutoSync(app) {
    const person = await open(app, { as: app.customer });
    await openAutomation(person);
    const toggle = person.page.getByRole('switch', { name: 'Auto-sync' });
    const isOn = async () => (await toggle.getAttribute('aria-checked')) === 'true';
    // It moves before the answer is there.
    const held = await person.hold('POST', '/api/customer/ads/auto-sync');
    await toggle.click();
    await soon('it is off', async () => !(await isOn()));
    await person.sees('Auto-sync disabled');
    await person.seesNot(/Next run/);
    await held.release();
    await person.settle();
    assert.equal(await isOn(), false);
    assert.deepEqual(person.take(), [AUTO_SYNC]);
    assert.equal((await app.customer.api.send('GET', '/api/customer/ads')).json.autoSync.enabled, false);
    // And goes back where the answer is no.
    const mend = await person.answerWith('POST', '/api/customer/ads/auto-sync', 500);
    await toggle.click();
    await person.seesToast('could not be enabled');
    await soon('it is off again', async () => !(await isOn()));
    await person.sees('Auto-sync disabled');
    await mend();
    await toggle.press('Space');
    await person.sees(/Next run: .* at /);
    assert.equal(await isOn(), true);
    assert.equal((await app.customer.api.send('GET', '/api/customer/ads')).json.autoSync.enabled, true);
}

async function syncs(app) {
    const person = await open(app, { as: app.customer, clock: true });
    await openAutomation(person);
    await control(app.says.meta, 'vehicle', { number: 3, removed: true });
    await control(app.says.meta, 'fail', { service: 'site', path: '/', times: -1, delay_ms: 100 });
    await person.press('Run Sync Now');
    await soon('it is disabled', () => person.button('Syncing…').isDisabled());
    const bar = person.page.getByRole('progressbar', { name: 'Syncing' });
    await bar.waitFor();
    const polls = () => person.calls.filter((call) => call === 'GET /api/customer/ads/sync/status').length;
    await soon('it is asked how far it is', () => polls() === 1);
    // Every three seconds.
    await person.page.clock.fastForward(3100);
    await soon('it is asked again', () => polls() === 2);
    await soon('the bar has moved', async () => {
        await person.page.clock.fastForward(3100);
        return Number(await bar.getAttribute('value').catch(() => 1)) > 0;
    });
    await control(app.says.meta, 'clear', {});
    await person.seesToast('246 items processed (0 added, 1 removed)');
    await person.button('Run Sync Now').waitFor();
    await person.settle();
    const calls = person.take();
    assert.equal(calls.filter((call) => call === 'POST /api/customer/ads/sync').length, 1);
    assert.equal(calls.filter((call) => call === 'GET /api/customer/ads').length, 1);
    await person.page.clock.fastForward(10000);
    await person.settle();
    assert.deepEqual(person.take(), []);
    await control(app.says.meta, 'vehicle', { number: 3, removed: false });
    await person.press('Run Sync Now');
    await person.seesToast('247 items processed (1 added, 0 removed)');
}

/* An outage of the website takes nothing away unasked. */
async function holdsRemovals(app) {
    const person = await open(app, { as: app.customer });
    await openAutomation(person);
    for (let number = 0; number < 150; number++) await control(app.says.meta, 'vehicle', { number, removed: true });
    await person.press('Run Sync Now');
    await person.seesDialog('Remove most of your items?');
    await person.press('Keep my items');
    await person.seesNoDialog();
    await person.sees('Most of your items are gone from your website');
    assert.equal((await app.customer.api.send('GET', '/api/customer/ads')).json.itemCount, 247);
    await control(app.says.meta, 'vehicle', { removed: false });
    await person.press('Run Sync Now');
    await person.seesToast('247 items processed (0 added, 0 removed)');
    await person.seesNot('Most of your items are gone from your website');
}

async function changesCampaign(app) {
    const person = await open(app, { as: app.customer });
    await person.goTo('/app/ads?tab=campaign');
    await person.fill('Monthly budget', '10');
    await person.press('Save Changes');
    await person.seesFieldError('Monthly budget', '30');
    await person.fill('Monthly budget', '3,000');
    await person.page.getByLabel('Oldest age').selectOption('55');
    const [sent] = await Promise.all([person.page.waitForRequest((request) => request.method() === 'PATCH'), person.press('Save Changes')]);
    assert.deepEqual(sent.postDataJSON(), { monthlyBudget: 3000, targeting: { countries: ['US'], ageMin: 25, ageMax: 55 } });
    await person.seesToast('Changes saved');
    await person.press('Pause ads');
    await person.seesDialog('Pause your ads?');
    await person.dialog('Pause your ads?').getByRole('button', { name: 'Pause ads' }).click();
    await person.seesToast('Your ads are paused');
    await person.follow('Dashboard');
    await person.sees('Ads Paused');
    await person.follow('Ads');
    await person.page.getByRole('tab', { name: 'Campaign' }).click();
    await person.press('Resume ads');
    await person.seesToast('Your ads are running again');
    const { metaCampaign } = (await app.customer.api.send('GET', '/api/customer/ads')).json;
    assert.deepEqual([metaCampaign.monthlyBudget, metaCampaign.targeting.ageMax, metaCampaign.campaignStatus], [3000, 55, 'active']);
}

/* --- performance --- */

const PERFORMANCE = 'GET /api/customer/performance';

/* Whether something is drawn on it. */
const drawn = (canvas) => canvas.evaluate((element) => {
    const { data } = element.getContext('2d').getImageData(0, 0, element.width, element.height);
    return new Set(new Uint32Array(data.buffer)).size;
});

async function choosesPeriod(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/performance');
    assert.deepEqual(person.take(), [`${PERFORMANCE}?period=30d`]);
    for (const text of ['123,490', '2,340', '1.89%', '45,600', '2.71']) await person.sees(text);
    const charts = person.page.locator('main canvas');
    assert.equal(await charts.count(), 2);
    for (const chart of await charts.all()) assert.ok(await drawn(chart) > 2);
    assert.match(await person.page.getByRole('img', { name: /^Impressions a day/ }).getAttribute('aria-label'), /123,490 in all/);
    assert.ok(await person.page.getByRole('table', { name: 'Items that were seen most' }).getByRole('row').count() > 5);
    const held = await person.hold('GET', '/api/customer/performance');
    await person.page.getByLabel('Period').selectOption('7d');
    // The last figures stay below the overlay.
    await person.sees('Loading…');
    assert.equal(await charts.count(), 2);
    await person.sees('123,490');
    await held.release();
    await person.seesNot('Loading…');
    await person.seesNot('123,490');
    await person.settle();
    assert.deepEqual(person.take(), [`${PERFORMANCE}?period=7d`]);
    const { summary } = (await app.customer.api.send('GET', '/api/customer/performance?period=7d')).json;
    await person.sees(summary.impressions.toLocaleString('en'));
    // A period that was seen is not asked for again.
    await person.page.getByLabel('Period').selectOption('30d');
    await person.sees('123,490');
    await person.settle();
    assert.deepEqual(person.take(), []);
    person.quiet();
}

async function exportsCsv(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/performance');
    await Promise.all([person.page.waitForResponse(/period=7d/), person.page.getByLabel('Period').selectOption('7d')]);
    person.take();
    const [download] = await Promise.all([person.page.waitForEvent('download'), person.press('Export CSV')]);
    assert.deepEqual(person.take(), [`${PERFORMANCE}/export?period=7d`]);
    const today = new Date().toISOString().slice(0, 10);
    assert.equal(download.suggestedFilename(), `performance-${today}.csv`);
    const lines = (await readFile(await download.path(), 'utf8')).split('\r\n');
    assert.equal(lines[0], 'date,impressions,clicks,ctr,reach');
    assert.equal(lines.length, 9);
    assert.match(lines[1], /^\d{4}-\d{2}-\d{2},\d+,\d+,\d+\.\d{2},\d+$/);
    const mend = await person.answerWith('GET', '/api/customer/performance/export', 503);
    await person.press('Export CSV');
    await person.seesToast(/wrong/);
    await mend();
}

/* --- settings --- */

async function saves(app) {
    const customer = await newCustomer(app, { upTo: 'website' });
    const person = await open(app, { as: customer });
    await person.goToQuiet('/app/settings');
    const form = person.page.getByRole('form', { name: 'Account' });
    for (const [label, value] of [['Name', 'Jane Doe'], ['E-mail', customer.email], ['Company', 'Acme Auto']]) assert.equal(await form.getByLabel(label).inputValue(), value);
    person.take();
    await form.getByLabel('E-mail').fill('not an address');
    await person.press('Save Changes');
    await person.seesFieldError('E-mail', 'e-mail');
    await form.getByLabel('E-mail').fill('changed@acme.example');
    await form.getByLabel('Name').fill('John Doe');
    await form.getByLabel('Company').fill('Acme Inc.');
    await form.getByLabel('Time zone').selectOption('America/New_York');
    const held = await person.hold('PATCH', '/api/customer/settings');
    await person.press('Save Changes');
    await soon('the form is disabled', () => form.getByLabel('Name').isDisabled());
    await held.release();
    await person.seesToast('Changes saved');
    await soon('the form is enabled', () => form.getByLabel('Name').isEnabled());
    await person.settle();
    const patch = 'PATCH /api/customer/settings';
    assert.deepEqual(person.take(), [patch, patch, 'GET /api/customer/settings']);
    const { user } = (await customer.api.send('GET', '/api/customer/settings')).json;
    assert.deepEqual(user, { name: 'John Doe', email: 'changed@acme.example', company: 'Acme Inc.', timeZone: 'America/New_York' });
    assert.equal(await form.getByLabel('Company').inputValue(), 'Acme Inc.');
}

async function testsWebsite(app) {
    const person = await open(app, { as: app.customer, clock: true });
    await person.goToQuiet('/app/settings');
    person.take();
    const held = await person.hold('POST', '/api/customer/settings/test-website');
    await person.press('Test Connection');
    await soon('it is disabled', () => person.button('Testing…').isDisabled());
    await held.release();
    await Promise.all([person.button('Connected').waitFor(), person.sees(/247 items/)]);
    await person.page.clock.fastForward(4000);
    await person.button('Test Connection').waitFor();
    assert.deepEqual(person.take(), ['POST /api/customer/settings/test-website']);
    await control(app.says.meta, 'fail', { service: 'site', path: '/', times: -1, status: 500 });
    await person.press('Test Connection');
    await person.page.getByRole('alert').filter({ hasText: 'The test failed' }).waitFor();
    await control(app.says.meta, 'clear', {});
}

async function newWebsite(app) {
    const customer = await newCustomer(app, { upTo: 'website' });
    const person = await open(app, { as: customer, clock: true });
    await person.goToQuiet('/app/settings');
    await person.fill('Website URL', 'nowhere');
    await person.press('Update');
    await person.seesFieldError('Website URL', 'Please enter a valid URL');
    person.take();
    // Slow enough to be watched.
    await control(app.says.meta, 'fail', { service: 'site', path: '/', times: -1, delay_ms: 150 });
    await person.fill('Website URL', `${app.says.site}inventory/new`);
    await person.press('Update');
    await person.seesToast('URL updated. Scanning inventory…');
    await person.page.getByRole('progressbar', { name: 'Scanning inventory' }).waitFor();
    const polls = () => person.calls.filter((call) => call === 'GET /api/customer/settings/scan-status').length;
    await soon('it is asked how far it is', () => polls() >= 1);
    await person.page.clock.fastForward(3000);
    await soon('it is asked again', () => polls() >= 2);
    await control(app.says.meta, 'clear', {});
    await soon('it is done', async () => {
        await person.page.clock.fastForward(3000);
        return (await person.page.getByRole('progressbar').count()) === 0;
    });
    await person.seesToast(/items found/);
    await person.settle();
    const calls = person.take();
    assert.equal(calls[0], 'PATCH /api/customer/settings');
    assert.equal(calls.at(-1), 'GET /api/customer/settings');
    // Once it is over it is asked no more.
    await person.page.clock.fastForward(10000);
    await person.settle();
    assert.deepEqual(person.take(), []);
    const { website } = (await customer.api.send('GET', '/api/customer/settings')).json;
    await person.sees(`${website.itemsDetected}`);
}

async function disconnects(app) {
    const customer = await newCustomer(app);
    const person = await open(app, { as: customer });
    await person.goToQuiet('/app/settings');
    person.take();
    const dialog = person.dialog('Disconnect Meta');
    await person.press('Disconnect');
    await dialog.getByText('Are you sure? This will pause all ads.').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await person.seesNoDialog();
    // Escape says no, too, and the focus is where it was.
    await person.press('Disconnect');
    await person.seesDialog('Disconnect Meta');
    await person.page.keyboard.press('Escape');
    await person.seesNoDialog();
    await soon('the focus is back', () => person.button('Disconnect').evaluate((button) => button === document.activeElement));
    assert.deepEqual(person.take(), []);
    await person.press('Disconnect');
    await dialog.getByRole('button', { name: 'Disconnect' }).click();
    await person.sees('Ads are paused');
    assert.deepEqual(person.take(), ['POST /api/customer/settings/disconnect-meta']);
    assert.equal((await customer.api.send('GET', '/api/customer/dashboard')).json.status, 'paused');
    await person.page.getByRole('link', { name: 'Connect Meta Account' }).click();
    await person.press('Authorize');
    await person.at('/app/settings');
    await person.button('Disconnect').waitFor();
}

async function refusesMeta(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await person.goTo('/app/settings');
    await person.page.getByRole('link', { name: 'Connect Meta Account' }).click();
    await person.press('Cancel');
    await person.page.getByRole('alert').filter({ hasText: 'Meta was not connected' }).waitFor();
    await person.at('/app/settings');
}

/* --- inventory --- */

const INVENTORY = 'GET /api/customer/inventory?page=1&limit=50';

async function searches(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/inventory');
    assert.deepEqual(person.take(), [INVENTORY]);
    const rows = person.page.getByRole('row');
    await soon('the rows are there', async () => (await rows.count()) === 51);
    const held = await person.hold('GET', '/api/customer/inventory');
    await person.page.getByRole('searchbox').pressSequentially('Honda', { delay: 30 });
    await soon('it is asked', () => held.asked > 0);
    // The rows of before are no answer to it.
    await soon('it loads', async () => (await rows.count()) === 0);
    await held.release();
    const { total } = (await app.customer.api.send('GET', '/api/customer/inventory?search=Honda')).json.pagination;
    await person.sees(`${total} matching items`);
    await person.settle();
    assert.deepEqual(person.take(), [`${INVENTORY}&search=Honda`]);
    for (const text of (await rows.allInnerTexts()).slice(1)) assert.match(text, /Honda/);
    // The address keeps it, for a reload and the way back.
    await person.goToQuiet(person.page.url().slice(app.base.length));
    await person.sees(`${total} matching items`);
    await person.page.getByRole('searchbox').fill('no such car');
    await person.seesHeading('No item matches');
    await person.button('Clear the search').last().click();
    await person.sees('247 items');
}

async function filters(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/inventory');
    person.take();
    await person.page.getByRole('switch', { name: 'In stock only' }).click();
    await person.sees('198 matching items');
    assert.deepEqual(person.take(), [`${INVENTORY}&filters[inStock]=true`]);
    await soon('none is out of stock', async () => (await person.page.getByText('Out of stock', { exact: true }).count()) === 0);
    await person.page.getByLabel('Order').selectOption('-price');
    await person.settle();
    assert.deepEqual(person.take().length, 1);
    const prices = (await person.page.getByRole('row').allInnerTexts()).slice(1).map((text) => Number(/\$([\d,]+)/.exec(text)?.[1].replaceAll(',', '')));
    assert.deepEqual(prices, [...prices].sort((one, other) => other - one));
}

async function turnsPages(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/inventory');
    person.take();
    const first = await person.page.getByRole('row').nth(1).innerText();
    const next = person.button('Page 2');
    await next.scrollIntoViewIfNeeded();
    assert.ok(await person.page.evaluate(() => scrollY) > 0);
    await next.click();
    await person.page.getByRole('button', { name: 'Page 2' }).and(person.page.locator('[aria-current="page"]')).waitFor();
    await soon('it is at the top', () => person.page.evaluate(() => scrollY === 0));
    await person.sees('51–100 of 247 items');
    assert.deepEqual(person.take(), ['GET /api/customer/inventory?page=2&limit=50']);
    assert.notEqual(await person.page.getByRole('row').nth(1).innerText(), first);
    // Back to the first one, which is known.
    await person.page.goBack();
    await person.sees('1–50 of 247 items');
    await person.settle();
    assert.deepEqual(person.take(), []);
    await person.press('Page 5');
    await person.sees('201–247 of 247 items');
    await soon('the last rows are there', async () => (await person.page.getByRole('row').count()) === 48);
    assert.equal(await person.button('Next').isDisabled(), true);
    person.quiet();
}

/* --- billing --- */

async function choosePackage(person, name) {
    await person.button('Add Credits').first().click();
    const dialog = person.dialog('Add Credits');
    await dialog.getByRole('radio', { name }).click();
    await dialog.getByRole('button', { name: 'Continue to payment' }).click();
    await person.page.getByRole('button', { name: 'Pay', exact: true }).waitFor();
    assert.equal(new URL(person.page.url()).origin, new URL(person.app.says.stripe).origin);
}

const creditsOf = async (customer) => (await customer.api.send('GET', '/api/customer/billing')).json.credits.current;

async function buys(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/billing');
    assert.deepEqual(person.take(), ['GET /api/customer/billing']);
    const before = await creditsOf(app.customer);
    await person.sees(before.toLocaleString('en'));
    await person.button('Add Credits').first().click();
    const dialog = person.dialog('Add Credits');
    assert.deepEqual(await dialog.getByRole('radio').evaluateAll((radios) => radios.map((radio) => radio.ariaLabel)), ['$100: 2,000 credits', '$500: 10,000 credits', '$1,000: 22,000 credits']);
    await dialog.getByText('+10% bonus').waitFor();
    assert.equal(await dialog.getByRole('button', { name: 'Continue to payment' }).isDisabled(), true);
    await person.page.keyboard.press('Escape');
    await person.seesNoDialog();
    await choosePackage(person, '$500');
    await person.page.getByText('500.00').waitFor();
    person.take();
    await person.press('Pay');
    await person.page.getByRole('status').filter({ hasText: '10,000 credits were added' }).waitFor();
    // The way back is settled once; a reload is no second return.
    await person.at('/app/billing');
    assert.match(person.take()[0], /^GET \/api\/customer\/billing\?sessionId=cs_/);
    await person.sees((before + 10000).toLocaleString('en'));
    const row = person.page.getByRole('row').nth(1);
    assert.match(await row.innerText(), /10,000[^]*\$500\.00[^]*Completed/);
    await person.goToQuiet('/app/billing');
    assert.deepEqual(person.take(), ['GET /api/customer/billing']);
    assert.equal(await person.page.getByText('were added').count(), 0);
    await person.page.getByRole('tab', { name: 'Credit movements' }).click();
    await person.sees('+10,000.00');
    assert.equal(person.take().filter((call) => call.startsWith('GET /api/customer/billing/ledger')).length, 1);
}

async function leavesCheckout(app) {
    const person = await open(app, { as: app.customer });
    await person.goTo('/app/billing');
    await choosePackage(person, '$100');
    await person.page.getByRole('link', { name: 'Cancel' }).click();
    await person.page.getByRole('status').filter({ hasText: 'The purchase was canceled' }).waitFor();
    await person.at('/app/billing');
    await person.sees('Pending');
}

/* The bank takes its time; the credits appear when it is done. */
async function paysByBank(app) {
    const person = await open(app, { as: app.customer, clock: true });
    await person.goTo('/app/billing');
    const before = await creditsOf(app.customer);
    await choosePackage(person, '$1,000');
    const session = new URL(person.page.url()).pathname.split('/').pop();
    await person.press('Pay by bank');
    await person.page.getByRole('status').filter({ hasText: 'Adding your credits' }).waitFor();
    await control(app.says.stripe, 'stripe_settle', { session });
    await soon('the credits are there', async () => {
        await person.page.clock.fastForward(2500);
        return (await person.page.getByText('22,000 credits were added').count()) > 0;
    });
    await person.sees((before + 22000).toLocaleString('en'));
}

const cases = [
    ["dashboard: the customer's figures", dashboard],
    ['dashboard: status, suggestion and warning change within a minute', dashboardChanges],
    ['dashboard: a suggestion that is dismissed stays away', suggestionGoes],
    ['ads: what is out there', adsStatus],
    ['ads: the switch moves at once, and back if it may not', togglesAutoSync],
    ['ads: a sync shows how far it is and what it did', syncs],
    ['ads: most items are not removed unasked', holdsRemovals],
    ['ads: budget, audience, pause', changesCampaign],
    ['performance: figures, charts, another period', choosesPeriod],
    ['performance: a file of the figures', exportsCsv],
    ['settings: saves, and says what is wrong at its field', saves],
    ['settings: tests the website', testsWebsite],
    ['settings: a new website is read while one watches', newWebsite],
    ['settings: disconnects Meta once it is confirmed, and connects it again', disconnects],
    ['settings: Meta refused', refusesMeta],
    ['inventory: a search asks once', searches],
    ['inventory: filters and orders', filters],
    ['inventory: turns pages', turnsPages],
    ['billing: buys, and the credits are there', buys],
    ['billing: leaves the checkout', leavesCheckout],
    ['billing: pays by bank', paysByBank],
];

const app = await startApp();
app.admin = await newAdmin(app);
app.customer = await newCustomer(app);
await judgeApp(app, 'pages', cases);
