/*
 * How every page looks in every state: in both widths and schemes it is photographed (SCREENSHOTS_DIR, with an
 * index.html of all), nothing is wider than the window, and axe finds nothing.
 */
import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { control } from '../openapi/harness.mjs';
import { NARROW, SCHEMES, WIDE, judgeApp, newAdmin, newCustomer, open, soon, startApp } from './app.mjs';

const shots = process.env.SCREENSHOTS_DIR;
const ERROR = { error: { code: 'INTERNAL', message: 'Something went wrong on our side. Try again in a moment.' } };

/* Axe has both widths and both schemes; the other two pairs show it nothing that it has not seen. */
const looks = [
    { size: WIDE, scheme: 'light', axe: true },
    { size: NARROW, scheme: 'light', axe: false },
    { size: NARROW, scheme: 'dark', axe: true },
    { size: WIDE, scheme: 'dark', axe: false },
];

/* Until what a new size or scheme began is drawn. */
async function drawn(page) {
    await page.evaluate(async () => {
        await document.fonts.ready;
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        const changes = () => document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === 'running');
        await frame();
        // Colours that are inherited change level by level, a frame each.
        for (let frames = 0; frames < 2 || (frames < 100 && changes()); frames++) await frame();
    });
}

/* Looks at what the person sees now. */
async function look(person, name) {
    const found = [];
    for (const { size, scheme, axe } of looks) {
        await person.page.setViewportSize(size);
        await person.page.emulateMedia({ colorScheme: scheme });
        await drawn(person.page);
        const where = `${name}-${size.width}-${scheme}`;
        await person.shoot(where);
        const wide = await person.overflow();
        if (wide > 0) found.push(`${where}: ${wide} px wider than the window`);
        if (axe) found.push(...(await person.axe()).map((one) => `${where}: ${one}`));
    }
    await person.page.setViewportSize(WIDE);
    await person.page.emulateMedia({ colorScheme: SCHEMES[0] });
    assert.deepEqual(found, []);
}

/* A page that loads, one that could not be loaded, and one that was. */
async function lookAtLoads(person, name, target, call, isThere) {
    const held = await person.hold('GET', call);
    await person.goTo(target);
    await soon('it loads', () => held.asked > 0);
    await person.page.locator('main [aria-busy="true"]').first().waitFor({ state: 'attached' });
    await look(person, `${name}-loading`);
    await held.release();
    const mend = await person.answerWith('GET', call, 500, ERROR);
    await person.goTo(target);
    await person.seesHeading('Could not load data');
    await look(person, `${name}-error`);
    await mend();
    await person.goTo(target);
    await isThere();
    await person.settle();
    await look(person, `${name}-success`);
}

/* --- the pages --- */

async function entrance(app) {
    const person = await open(app);
    for (const [page, button] of [['login', 'Log in'], ['signup', 'Sign up']]) {
        await person.goToQuiet(`/${page}`);
        await look(person, `${page}-empty`);
        await person.press(button);
        await person.page.getByRole('alert').first().waitFor();
        await look(person, `${page}-error`);
    }
    await person.goTo('/login');
    await person.fill('E-mail', 'nobody@acme.example');
    await person.fill('Password', 'not the password');
    const held = await person.hold('POST', '/api/auth/login');
    await person.press('Log in');
    await look(person, 'login-loading');
    await held.release();
    await person.page.getByRole('alert').first().waitFor();
    await look(person, 'login-refused');
    await person.goToQuiet('/app/dashboard');
    await person.sees('Please log in');
    await look(person, 'login-returning');
}

async function connecting(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'signup' }), clock: true });
    await person.goToQuiet('/onboarding/start');
    await look(person, 'start-success');
    await person.goToQuiet('/onboarding/connect');
    await look(person, 'connect-empty');
    await person.fill('Website', 'invalid');
    await person.press('Connect website');
    await person.page.getByRole('alert').first().waitFor();
    await look(person, 'connect-error');
    const held = await person.hold('POST', '/api/onboarding/website');
    await person.fill('Website', app.says.site);
    await person.press('Connect website');
    await person.page.getByRole('progressbar').waitFor();
    await look(person, 'connect-loading');
    // The page's time stands still meanwhile, so that the next step does not come; axe needs it to run.
    await person.stopTime();
    await held.release();
    await person.tickUntil('it is read', () => person.heading('247 items found').isVisible());
    for (const { size, scheme } of looks) {
        await person.page.setViewportSize(size);
        await person.page.emulateMedia({ colorScheme: scheme });
        await person.shoot(`connect-success-${size.width}-${scheme}`);
        assert.equal(await person.overflow(), 0);
    }
}

async function launching(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await person.goToQuiet('/onboarding/launch');
    await look(person, 'launch-empty');
    await person.goToQuiet('/onboarding/launch?error=META_DENIED');
    await look(person, 'launch-denied');
    const connected = await open(app, { as: await newCustomer(app, { upTo: 'meta' }) });
    await connected.goToQuiet('/onboarding/launch');
    await look(connected, 'launch-connected');
    await connected.fill('Monthly budget', '10');
    await connected.press('Launch');
    await connected.page.getByRole('alert').first().waitFor();
    await look(connected, 'launch-invalid');
    await connected.fill('Monthly budget', '2500');
    const mend = await connected.answerWith('POST', '/api/onboarding/launch', 502, { error: { code: 'UPSTREAM_ERROR', message: 'Meta did not answer' } });
    await connected.press('Launch');
    await connected.page.getByRole('alert').filter({ hasText: 'not launched' }).waitFor();
    await look(connected, 'launch-error');
    await mend();
    const held = await connected.hold('POST', '/api/onboarding/launch');
    await connected.press('Launch');
    await connected.page.getByRole('progressbar').waitFor();
    await look(connected, 'launch-loading');
    await held.release();
    await connected.at('/app/dashboard');
    await connected.seesToast(/running/i);
    await connected.sees('Ads Running');
    await look(connected, 'launch-success');
}

async function dashboard(app) {
    const person = await open(app, { as: app.customer });
    await lookAtLoads(person, 'dashboard', '/app/dashboard', '/api/customer/dashboard', () => person.sees('Ads Running'));
    const published = await app.system.lotctl(['suggestion', 'publish', '--message', 'New template available: a carousel of your newest arrivals']);
    const { json } = await app.customer.api.send('GET', '/api/customer/dashboard');
    await person.goToQuiet('/app/dashboard');
    await look(person, 'dashboard-suggestion');
    await app.system.lotctl(['suggestion', 'withdraw', published.out.trim()]);
    const suggest = (type, link, message) => ({ id: `${type}-1`, type, link, message });
    const states = {
        paused: { status: 'paused' },
        attention: { status: 'attention', suggestion: suggest('sync', '/app/ads', 'The last sync did not go through') },
        low: { credits: { remaining: 420, daysEstimate: 1 }, suggestion: suggest('credits', '/app/billing', 'Your credits run out in about 1 day') },
        out: { status: 'out_of_credits', credits: { remaining: 0, daysEstimate: 0 }, suggestion: suggest('credits', '/app/billing', 'You are out of credits') },
    };
    for (const [name, state] of Object.entries(states)) {
        const mend = await person.answerWith('GET', '/api/customer/dashboard', 200, { ...json, suggestion: null, ...state });
        await person.goToQuiet('/app/dashboard');
        await look(person, `dashboard-${name}`);
        await mend();
    }
    const fresh = await open(app, { as: await newCustomer(app, { upTo: 'signup' }) });
    await fresh.goToQuiet('/app/dashboard');
    await look(fresh, 'dashboard-empty');
}

async function ads(app) {
    const person = await open(app, { as: app.customer });
    await lookAtLoads(person, 'ads', '/app/ads', '/api/customer/ads', () => person.page.getByRole('tab', { name: 'Automation' }).waitFor());
    await person.page.getByRole('tab', { name: 'Campaign' }).click();
    await look(person, 'ads-campaign');
    await person.press('Pause ads');
    await person.seesDialog('Pause your ads?');
    await look(person, 'ads-pause-dialog');
    await person.press('Cancel');
    await person.seesNoDialog();
    await person.page.getByRole('tab', { name: 'Automation' }).click();
    await person.settle();
    await look(person, 'ads-automation');
    const held = await person.hold('POST', '/api/customer/ads/sync');
    const mend = await person.answerWith('GET', '/api/customer/ads/sync/status', 200, { inProgress: true, progress: 45, itemsProcessed: 111, itemsTotal: 247, itemsAdded: 0, itemsUpdated: 0, itemsRemoved: 0, startedAt: null, finishedAt: null, error: null });
    await person.press('Run Sync Now');
    await person.sees('111 of 247 items');
    await look(person, 'ads-syncing');
    await mend();
    await held.release();
    await person.seesToast(/247 items processed/);
    await look(person, 'ads-synced');
    const refuse = await person.answerWith('POST', '/api/customer/ads/sync', 409, { error: { code: 'REMOVAL_HELD', message: 'Most items are gone' } });
    await person.press('Run Sync Now');
    await person.seesDialog('Remove most of your items?');
    await look(person, 'ads-removal-dialog');
    await person.press('Keep my items');
    await person.seesNoDialog();
    await look(person, 'ads-sync-error');
    await refuse();
    await person.page.getByRole('switch', { name: 'Auto-sync' }).click();
    await person.sees('Auto-sync disabled');
    await person.settle();
    await look(person, 'ads-automation-off');
    await person.page.getByRole('switch', { name: 'Auto-sync' }).click();
    const fresh = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await fresh.goToQuiet('/app/ads');
    await look(fresh, 'ads-empty');
}

async function performancePage(app) {
    const person = await open(app, { as: app.customer });
    await lookAtLoads(person, 'performance', '/app/performance', '/api/customer/performance', () => person.page.locator('main canvas').nth(1).waitFor());
    const held = await person.hold('GET', '/api/customer/performance');
    await person.page.getByLabel('Period').selectOption('7d');
    await person.sees('Loading…');
    await look(person, 'performance-another-period');
    await held.release();
    const fresh = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await fresh.goToQuiet('/app/performance');
    await look(fresh, 'performance-empty');
}

async function inventory(app) {
    const person = await open(app, { as: app.customer });
    await lookAtLoads(person, 'inventory', '/app/inventory', '/api/customer/inventory', () => person.sees('247 items'));
    await person.goToQuiet('/app/inventory?search=Honda&inStock=true');
    await look(person, 'inventory-search');
    await person.goToQuiet('/app/inventory?search=no+such+car');
    await look(person, 'inventory-no-match');
    const { json } = await app.customer.api.send('GET', '/api/customer/inventory?limit=5');
    json.items[0] = { ...json.items[0], price: null, currency: null, imageUrl: null, excluded: 'missing_price' };
    json.items[1] = { ...json.items[1], excluded: 'The image is too small for an ad, says Meta', title: 'Averyveryverylongtitlewithoutasinglespaceinit'.repeat(3) };
    const mend = await person.answerWith('GET', '/api/customer/inventory', 200, { ...json, pagination: { page: 1, limit: 50, total: 5, totalPages: 1 } });
    await person.goToQuiet('/app/inventory');
    await look(person, 'inventory-excluded');
    await mend();
    const fresh = await open(app, { as: await newCustomer(app, { upTo: 'signup' }) });
    await fresh.goToQuiet('/app/inventory');
    await look(fresh, 'inventory-empty');
}

async function billing(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/billing');
    await look(person, 'billing-empty');
    await person.button('Add Credits').first().click();
    await person.dialog('Add Credits').getByRole('radio', { name: '$500' }).click();
    await look(person, 'billing-packages-dialog');
    await person.press('Continue to payment');
    await person.press('Pay');
    await person.page.getByRole('status').filter({ hasText: '10,000 credits were added' }).waitFor();
    await look(person, 'billing-paid');
    await lookAtLoads(person, 'billing', '/app/billing', '/api/customer/billing', () => person.sees('Completed'));
    await person.page.getByRole('tab', { name: 'Credit movements' }).click();
    await person.sees('Welcome credits').catch(() => undefined);
    await person.settle();
    await look(person, 'billing-movements');
    await person.goToQuiet('/app/billing?canceled=true');
    await look(person, 'billing-canceled');
}

async function settings(app) {
    const person = await open(app, { as: app.customer });
    await lookAtLoads(person, 'settings', '/app/settings', '/api/customer/settings', () => person.button('Save Changes').waitFor());
    await person.page.getByRole('form', { name: 'Account' }).getByLabel('E-mail').fill('not an address');
    await person.press('Save Changes');
    await person.page.getByRole('alert').first().waitFor();
    await person.fill('Website URL', 'nowhere');
    await person.press('Update');
    await person.seesFieldError('Website URL', 'valid');
    await look(person, 'settings-invalid');
    await person.press('Disconnect');
    await person.seesDialog('Disconnect Meta');
    await look(person, 'settings-disconnect-dialog');
    await person.press('Cancel');
    await person.seesNoDialog();
    await person.press('Test Connection');
    await person.sees(/247 items found/);
    await look(person, 'settings-tested');
    const fresh = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await fresh.goToQuiet('/app/settings?error=META_DENIED');
    await look(fresh, 'settings-denied');
    await control(app.says.meta, 'fail', { service: 'site', path: '/', times: -1, delay_ms: 5000 });
    await fresh.fill('Website URL', `${app.says.site}inventory/new`);
    await fresh.press('Update');
    await fresh.page.getByRole('progressbar', { name: 'Scanning inventory' }).waitFor();
    await look(fresh, 'settings-scanning');
    await control(app.says.meta, 'clear', {});
}

async function templates(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/templates');
    await look(person, 'templates-empty');
    const ids = [];
    for (const message of ['New template: a carousel of your newest arrivals', 'Summer colours for all formats']) {
        ids.push((await app.system.lotctl(['suggestion', 'publish', '--message', message, '--link', '/app/ads'])).out.trim());
    }
    await lookAtLoads(person, 'templates', '/app/templates', '/api/customer/announcements', () => person.seesHeading('Summer colours for all formats'));
    await person.press('Dismiss: Summer colours for all formats');
    await person.sees('Dismissed');
    await look(person, 'templates-dismissed');
    for (const id of ids) await app.system.lotctl(['suggestion', 'withdraw', id]);
}

async function admin(app) {
    const person = await open(app, { as: app.admin });
    const detail = `/admin/customers/${app.customer.id}`;
    await lookAtLoads(person, 'admin-customers', '/admin/customers', '/admin/customers', () => person.page.getByRole('table').waitFor());
    await person.goToQuiet('/admin/customers?search=nobody');
    await look(person, 'admin-customers-empty');
    await lookAtLoads(person, 'admin-customer', detail, detail, () => person.button('Suspend').waitFor());
    for (const [button, title] of [['Adjust credits', 'Adjust credits'], ['Suspend', /^Suspend /]]) {
        await person.press(button);
        await person.seesDialog(title);
        await look(person, `admin-customer-${button.toLowerCase().replace(' ', '-')}-dialog`);
        await person.press('Cancel');
        await person.seesNoDialog();
    }
    await person.page.getByRole('tab', { name: 'Credit movements' }).click();
    await person.settle();
    await look(person, 'admin-customer-movements');
    await person.press('View as customer');
    await person.sees('Ads Running');
    await look(person, 'view-as-dashboard');
    await person.follow('Settings');
    await person.button('Save Changes').waitFor();
    await look(person, 'view-as-settings');
    await person.press('Back to the admin pages');
    await person.page.getByRole('tab', { name: 'Audit' }).click();
    await person.sees('Viewed as customer');
    await look(person, 'admin-customer-audit');
    await lookAtLoads(person, 'admin-audit', '/admin/audit', '/admin/audit', () => person.page.getByRole('table').waitFor());
}

async function frame(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/none');
    await look(person, 'not-found-success');
    await person.goToQuiet('/admin/customers');
    await look(person, 'admin-forbidden');
    await person.goToQuiet('/app/dashboard');
    await person.button('Account').filter({ visible: true }).click();
    await person.sees(app.customer.email);
    await look(person, 'menu-open');
    const narrow = await open(app, { as: app.customer, size: NARROW });
    await narrow.goToQuiet('/app/dashboard');
    await narrow.press('Menu');
    await narrow.button('Close the menu').waitFor();
    assert.deepEqual(await narrow.axe(), []);
    await narrow.shoot('menu-drawer-390-light');
}

async function pictures() {
    const names = await readdir(shots).catch(() => []);
    return names.filter((name) => name.endsWith('.png')).sort();
}

/* All pictures on one page, to be looked through. */
async function sheet() {
    if (shots === undefined) return;
    const names = await pictures();
    const pages = new Map();
    for (const name of names) pages.set(name.split('-')[0], [...(pages.get(name.split('-')[0]) ?? []), name]);
    const figure = (name) => `<figure><a href="${name}"><img loading="lazy" src="${name}" alt=""></a><figcaption>${name.slice(0, -4)}</figcaption></figure>`;
    const sections = [...pages].map(([page, own]) => `<h2>${page}</h2>\n<div>${own.map(figure).join('\n')}</div>`);
    await writeFile(path.join(shots, 'index.html'), `<!doctype html><meta charset="utf-8"><title>Lotcast's pages</title>
<style>body{font:14px system-ui;margin:2rem;background:#888}div{display:flex;flex-wrap:wrap;gap:1rem;align-items:start}figure{margin:0}img{height:420px;max-width:640px;object-fit:cover;object-position:top;border:1px solid #555}figcaption{font-size:12px}</style>
${sections.join('\n')}\n`);
    assert.ok(names.length > 0);
}

const cases = [
    ['log-in and sign-up', entrance],
    ['onboarding: start and website', connecting],
    ['onboarding: launch', launching],
    ['dashboard', dashboard],
    ['ads', ads],
    ['performance', performancePage],
    ['inventory', inventory],
    ['billing', billing],
    ['settings', settings],
    ['templates', templates],
    ["the admins' pages", admin],
    ['menus, and pages that are none', frame],
    ['all pictures are on one page', sheet],
];

// Those of pages that are no more.
if (shots !== undefined) for (const name of await pictures()) await rm(path.join(shots, name));
const app = await startApp();
app.admin = await newAdmin(app);
app.customer = await newCustomer(app);
await judgeApp(app, 'looks', cases);
