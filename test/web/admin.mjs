/*
 * The admins' pages, a customer's pages as an admin sees them, and what a customer must not see (data-flows.md, "Admin
 * Data Flow"); templates, which admins publish.
 */
import assert from 'node:assert/strict';

import { judgeApp, newAdmin, newCustomer, open, soon, startApp } from './app.mjs';

const detailOf = async (app, { id }) => (await app.admin.api.send('GET', `/admin/customers/${id}`)).json;
const money = (value) => value.toLocaleString('en', { style: 'currency', currency: 'USD' });

async function lists(app) {
    const person = await open(app, { as: app.admin });
    await person.goToQuiet('/admin/customers');
    await person.sees('3 customers');
    const { spend } = await detailOf(app, app.customer);
    const row = person.page.getByRole('row').filter({ hasText: app.customer.email });
    for (const text of [app.customer.company, 'Running', money(spend.totalSpend)]) await row.getByText(text).first().waitFor();
    person.take();
    await person.page.getByRole('searchbox').pressSequentially('Brown', { delay: 30 });
    await person.sees('1 matching customer');
    await person.settle();
    assert.deepEqual(person.take().map((call) => call.replace(/&limit=\d+/, '')), ['GET /admin/customers?page=1&search=Brown']);
    await person.page.getByRole('searchbox').fill('');
    await person.page.getByLabel('Status').selectOption('setup');
    await person.sees('2 matching customers');
    await person.page.getByLabel('Status').selectOption('suspended');
    await person.seesHeading('No customer matches');
    person.quiet();
}

async function shows(app) {
    const person = await open(app, { as: app.admin });
    await person.goToQuiet('/admin/customers');
    await person.page.getByRole('link', { name: app.customer.company, exact: true }).click();
    await person.at(`/admin/customers/${app.customer.id}`);
    const { spend, performance, billing } = await detailOf(app, app.customer);
    const card = person.page.getByRole('region', { name: 'Spend' });
    for (const value of [spend.totalSpend, spend.last30Days, spend.avgCPC, spend.avgCPM]) await card.getByText(money(value)).first().waitFor();
    for (const value of [performance.impressions, performance.clicks, billing.credits]) await person.sees(value.toLocaleString('en'));
    await person.page.getByRole('tab', { name: 'Credit movements' }).click();
    await person.sees('Welcome credits');
    await person.page.getByRole('tab', { name: 'Audit' }).click();
    await person.settle();
    person.quiet();
    await person.goTo('/admin/customers/999999');
    await person.seesHeading('There is no such customer');
}

async function adjusts(app) {
    const person = await open(app, { as: app.admin });
    await person.goToQuiet(`/admin/customers/${app.customer.id}`);
    const before = (await detailOf(app, app.customer)).billing.credits;
    await person.press('Adjust credits');
    await person.seesDialog('Adjust credits');
    const dialog = person.dialog('Adjust credits');
    await dialog.getByRole('button', { name: 'Adjust', exact: true }).click();
    await person.seesFieldError('Credits', 'whole number');
    await person.fill('Credits', '-240');
    await dialog.getByRole('button', { name: 'Adjust', exact: true }).click();
    await person.seesFieldError('Reason', 'reason');
    await person.fill('Reason', 'A goodwill gone wrong');
    await dialog.getByRole('button', { name: 'Adjust', exact: true }).click();
    await person.seesToast(`The balance is ${(before - 240).toLocaleString('en')} credits now`);
    await person.seesNoDialog();
    await person.page.getByRole('tab', { name: 'Credit movements' }).click();
    await person.sees('Adjustment by Lotcast');
    await person.follow('Audit');
    await person.at('/admin/audit');
    await person.sees('A goodwill gone wrong');
}

async function suspendsAndResumes(app) {
    const person = await open(app, { as: app.admin });
    await person.goToQuiet(`/admin/customers/${app.brown.id}`);
    await person.press('Suspend');
    await person.seesDialog('Suspend Brown Motors');
    await person.fill('Reason', 'Unpaid');
    await person.dialog('Suspend Brown Motors').getByRole('button', { name: 'Suspend' }).click();
    await person.seesToast('Brown Motors is suspended');
    await person.button('Resume').waitFor();
    await person.sees('Suspended');
    const customer = await open(app);
    await customer.goTo('/login');
    await customer.fill('E-mail', app.brown.email);
    await customer.fill('Password', app.brown.password);
    await customer.press('Log in');
    await customer.page.getByRole('alert').filter({ hasText: /suspended/i }).waitFor();
    await person.press('Resume');
    await person.seesDialog('Resume Brown Motors');
    await person.fill('Reason', 'Paid');
    await person.dialog('Resume Brown Motors').getByRole('button', { name: 'Resume' }).click();
    await person.seesToast('Brown Motors is resumed');
    await customer.press('Log in');
    await soon('they are let in', () => new URL(customer.page.url()).pathname !== '/login');
}

/* An admin looks at a customer's pages: the same figures, and nothing that writes can be pressed. */
async function viewsAs(app) {
    const person = await open(app, { as: app.admin });
    await person.goToQuiet(`/admin/customers/${app.customer.id}`);
    person.take();
    await person.press('View as customer');
    await person.at('/app/dashboard');
    const bar = person.page.getByRole('note').filter({ hasText: 'read only' });
    await bar.getByText(app.customer.company).waitFor();
    await person.sees('Ads Running');
    const [request] = await Promise.all([person.page.waitForRequest(/customer\/ads$/), person.follow('Ads')]);
    assert.equal((await request.allHeaders())['x-customer-id'], app.customer.id);
    await person.page.getByRole('tab', { name: 'Automation' }).click();
    assert.equal(await person.page.getByRole('switch', { name: 'Auto-sync' }).isDisabled(), true);
    assert.equal(await person.button('Run Sync Now').isDisabled(), true);
    await person.page.getByRole('tab', { name: 'Campaign' }).click();
    for (const name of ['Save Changes', 'Pause ads']) assert.equal(await person.button(name).isDisabled(), true, name);
    await person.follow('Billing');
    await person.button('Add Credits').first().waitFor();
    assert.equal(await person.button('Add Credits').first().isDisabled(), true);
    await person.follow('Settings');
    await person.button('Save Changes').waitFor();
    for (const name of ['Save Changes', 'Test Connection', 'Update', 'Disconnect', 'Change Password']) assert.equal(await person.button(name).isDisabled(), true, name);
    for (const [page, text] of [['Performance', '123,490'], ['Inventory', '247 items'], ['Templates', /new/i]]) {
        await person.follow(page);
        await person.sees(text);
    }
    await person.settle();
    assert.deepEqual(person.take().filter((call) => !call.startsWith('GET ')), []);
    // A reload keeps it; another tab has nothing of it.
    await person.goToQuiet('/app/dashboard');
    await bar.waitFor();
    await person.press('Back to the admin pages');
    await person.at(`/admin/customers/${app.customer.id}`);
    await person.page.getByRole('tab', { name: 'Audit' }).click();
    await person.sees('Viewed as customer');
    person.quiet();
}

async function keepsApart(app) {
    const customer = await open(app, { as: app.customer });
    await customer.goTo('/admin/customers');
    await customer.seesHeading('This page is for admins');
    const admin = await open(app, { as: app.admin });
    await admin.goTo('/app/dashboard');
    await admin.at('/admin/customers');
}

/* Whatever page a customer opens, no answer and no text has their spend in it. */
async function hidesSpend(app) {
    const { spend } = await detailOf(app, app.customer);
    const secrets = [spend.totalSpend, spend.last30Days, spend.avgCPC, spend.avgCPM].map((value) => value.toFixed(2));
    const person = await open(app, { as: app.customer });
    const answers = [];
    person.page.on('response', (answer) => {
        if (answer.url().includes('/api/')) answers.push(answer.text().catch(() => ''));
    });
    for (const page of ['dashboard', 'ads', 'performance', 'inventory', 'billing', 'settings', 'templates']) {
        await person.goToQuiet(`/app/${page}`);
        const text = await person.page.locator('main').innerText();
        for (const secret of secrets) assert.ok(!text.includes(secret), `${page}: ${secret}`);
        assert.doesNotMatch(text, /\bCP[CM]\b|total spend/i, page);
    }
    const all = (await Promise.all(answers)).join('\n');
    assert.ok(answers.length >= 7);
    assert.doesNotMatch(all, /spend|avgCP/i);
}

async function templates(app) {
    const person = await open(app, { as: app.customer });
    await person.goTo('/app/templates');
    await person.seesHeading('Nothing new yet');
    const published = await app.system.lotctl(['suggestion', 'publish', '--message', 'A template for vans', '--link', '/app/ads']);
    assert.equal(published.code, 0, published.log);
    await person.goTo('/app/dashboard');
    await person.page.getByRole('region', { name: 'Suggestion' }).getByRole('link').waitFor();
    await person.follow('Templates');
    await person.seesHeading('A template for vans');
    assert.equal(await person.page.getByRole('link', { name: 'Have a look' }).getAttribute('href'), '/app/ads');
    await person.press('Dismiss: A template for vans');
    await person.sees('Dismissed');
    await person.follow('Dashboard');
    await person.sees('Ads Running');
    await person.settle();
    assert.equal(await person.page.getByText('A template for vans').count(), 0);
    await app.system.lotctl(['suggestion', 'withdraw', published.out.trim()]);
    await person.goTo('/app/templates');
    await person.seesHeading('Nothing new yet');
}

const cases = [
    ['the list is searched and filtered', lists],
    ["a customer's spend and all else", shows],
    ['credits are adjusted, with a reason', adjusts],
    ['a customer is suspended and resumed', suspendsAndResumes],
    ["an admin sees a customer's pages, read only", viewsAs],
    ['customers have no admin pages, admins no pages of a customer of their own', keepsApart],
    ['a customer never sees the spend', hidesSpend],
    ['templates come and go', templates],
];

const app = await startApp();
app.admin = await newAdmin(app);
app.customer = await newCustomer(app);
app.brown = await newCustomer(app, { company: 'Brown Motors', upTo: 'website' });
await newCustomer(app, { company: 'Carla Cars', upTo: 'signup' });
await judgeApp(app, 'admin', cases);
