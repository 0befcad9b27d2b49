/*
 * What goes wrong, as a user sees it: no connection, answers of 500, a session that ended, a suspended customer, two
 * browsers at once (data-flows.md, "Error Handling Flow").
 */
import assert from 'node:assert/strict';

import { judgeApp, newAdmin, newCustomer, open, soon, startApp } from './app.mjs';

/* Each page with what it asks for and its heading. */
const customerPages = [
    ['/app/dashboard', '/api/customer/dashboard', 'Dashboard'],
    ['/app/ads', '/api/customer/ads', 'Ads'],
    ['/app/performance', '/api/customer/performance', 'Performance'],
    ['/app/inventory', '/api/customer/inventory', 'Inventory'],
    ['/app/billing', '/api/customer/billing', 'Billing'],
    ['/app/settings', '/api/customer/settings', 'Settings'],
    ['/app/templates', '/api/customer/announcements', 'Templates'],
];

async function showsFailure(person) {
    await person.seesHeading('Could not load data');
    await person.seesToast('Could not load data');
}

async function retries(person, what) {
    await person.press('Retry');
    await soon(`${what} is there`, async () => (await person.heading('Could not load data').count()) === 0);
    await soon(`${what} is loaded`, async () => (await person.page.locator('main [aria-busy="true"]').count()) === 0);
}

async function failures(app) {
    const person = await open(app, { as: app.customer });
    for (const [page, call, heading] of customerPages) {
        const mend = await person.answerWith('GET', call, 500);
        await person.goTo(page);
        await showsFailure(person);
        await person.seesHeading(heading);
        // A second failure is told as well.
        await person.press('Dismiss');
        await person.press('Retry');
        await showsFailure(person);
        await mend();
        person.take();
        await retries(person, page);
        assert.deepEqual(person.take().map((asked) => asked.split('?')[0]), [`GET ${call}`]);
    }
}

async function adminFailures(app) {
    const person = await open(app, { as: app.admin });
    for (const page of ['/admin/customers', `/admin/customers/${app.customer.id}`, '/admin/audit']) {
        const mend = await person.answerWith('GET', page, 500);
        await person.goTo(page);
        await showsFailure(person);
        await mend();
        await retries(person, page);
    }
}

async function offline(app) {
    const person = await open(app, { as: app.customer });
    await person.goToQuiet('/app/dashboard');
    for (const page of ['/app/performance', '/app/settings']) {
        await person.context.setOffline(true);
        await person.page.locator(`nav a[href="${page}"]`).first().click();
        await showsFailure(person);
        await person.context.setOffline(false);
        await retries(person, page);
        await person.at(page);
    }
}

async function sessionEnds(app) {
    const customer = await newCustomer(app, { upTo: 'website' });
    const person = await open(app, { as: customer });
    await person.goToQuiet('/app/settings');
    // Another browser's new password ends this one's session.
    const changed = await customer.api.send('POST', '/api/auth/password', { body: { currentPassword: customer.password, newPassword: 'four blue herons' } });
    assert.equal(changed.status, 200);
    await person.page.locator('nav a[href="/app/inventory"]').first().click();
    await person.at('/login?next=%2Fapp%2Finventory');
    await person.fill('E-mail', customer.email);
    await person.fill('Password', customer.password);
    await person.press('Log in');
    await person.page.getByRole('alert').first().waitFor();
    await person.fill('Password', 'four blue herons');
    await person.press('Log in');
    await person.at('/app/inventory');
    await person.sees(/247/);
}

async function noSession(app) {
    const person = await open(app);
    await person.goTo('/app/billing');
    await person.at('/login?next=%2Fapp%2Fbilling');
    await person.goTo(`/login?next=${encodeURIComponent('https://elsewhere.example/app/')}`);
    await person.fill('E-mail', app.customer.email);
    await person.fill('Password', app.customer.password);
    await person.press('Log in');
    // Only pages of the app are gone back to.
    await person.at('/app/dashboard');
}

async function suspended(app) {
    const customer = await newCustomer(app);
    const person = await open(app, { as: customer });
    await person.goToQuiet('/app/dashboard');
    const done = await app.admin.api.send('POST', `/admin/customers/${customer.id}/suspend`, { body: { reason: 'unpaid' } });
    assert.equal(done.status, 200);
    await person.page.locator('nav a[href="/app/ads"]').first().click();
    await person.at('/login?next=%2Fapp%2Fads');
    await person.fill('E-mail', customer.email);
    await person.fill('Password', customer.password);
    await person.press('Log in');
    await person.page.getByRole('alert').filter({ hasText: /suspended/i }).waitFor();
    assert.equal(new URL(person.page.url()).pathname, '/login');
}

/* A second browser of the same customer sees what the first did once it is asked again, and lives on without it. */
async function twoBrowsers(app) {
    const [one, other] = [await open(app, { as: app.customer }), await open(app, { as: app.customer })];
    for (const person of [one, other]) {
        await person.goTo('/app/ads?tab=automation');
        await person.sees(/Next run/);
    }
    await one.page.getByRole('switch', { name: 'Auto-sync' }).click();
    await one.sees('Auto-sync disabled');
    await one.settle();
    assert.equal(await other.page.getByRole('switch', { name: 'Auto-sync' }).getAttribute('aria-checked'), 'true');
    await other.goTo('/app/ads?tab=automation');
    await other.sees('Auto-sync disabled');
    await other.page.getByRole('switch', { name: 'Auto-sync' }).click();
    await other.sees(/Next run: .* at /);
    await one.button('Account').filter({ visible: true }).click();
    await one.page.getByRole('menuitem', { name: 'Log out' }).click();
    await one.at('/login');
    // What the one saw is gone from there; the other goes on.
    await one.goTo('/app/settings');
    await one.at('/login?next=%2Fapp%2Fsettings');
    await other.follow('Settings');
    await other.button('Save Changes').waitFor();
}

const cases = [
    ['a page that cannot be loaded says so, and is tried again', failures],
    ["so do the admins' pages", adminFailures],
    ['without a connection, and with it again', offline],
    ['a session that ended leads to the log-in and back', sessionEnds],
    ['without a session the log-in comes first, and leads to pages of the app alone', noSession],
    ['a suspended customer is told so', suspended],
    ['two browsers of one customer', twoBrowsers],
];

const app = await startApp();
app.admin = await newAdmin(app);
app.customer = await newCustomer(app);
await judgeApp(app, 'errors', cases);
