/*
 * A new customer in a real browser: from sign-up to running ads, by clicks and by the keyboard alone, with what can go
 * wrong on the way (data-flows.md, "Onboarding Flow Sequence"). `--one-process` does so with all roles in one process.
 */
import assert from 'node:assert/strict';

import { control } from '../openapi/harness.mjs';
import { judgeApp, newCustomer, open, soon, startApp } from './app.mjs';

const PASSWORD = 'three blue herons';
const TABS_MAX = 60;

async function signUp(person, email, company = 'Acme Auto') {
    await person.goTo('/signup');
    await person.fill('Company', company);
    await person.fill('E-mail', email);
    await person.fill('Password', PASSWORD);
    await person.press('Sign up');
    await person.at('/onboarding/start');
}

async function signsUp(app) {
    const person = await open(app);
    await person.goTo('/signup');
    await person.seesHeading('Create your account');
    await person.press('Sign up');
    await person.seesFieldError('E-mail', 'e-mail');
    await person.fill('E-mail', 'first@acme.example');
    await person.fill('Password', 'short');
    await person.press('Sign up');
    await person.seesFieldError('Password', '8');
    await person.fill('Company', 'Acme Auto');
    await person.fill('Password', PASSWORD);
    const held = await person.hold('POST', '/api/auth/signup');
    await person.press('Sign up');
    // Nothing can be changed or sent twice while it is asked.
    await soon('the form is disabled', () => person.page.getByLabel('E-mail').isDisabled());
    assert.equal(await person.button('Sign up').isDisabled(), true);
    await held.release();
    await person.at('/onboarding/start');
    assert.equal(held.asked, 1);
    const cookies = await person.context.cookies(app.base);
    assert.deepEqual(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]), [['lotcast_session', true, 'Lax']]);
}

async function emailTaken(app) {
    const known = await newCustomer(app, { upTo: 'signup' });
    const person = await open(app);
    await person.goTo('/signup');
    await person.fill('Company', 'Other Motors');
    await person.fill('E-mail', known.email.toUpperCase());
    await person.fill('Password', PASSWORD);
    await person.press('Sign up');
    await person.page.getByRole('alert').first().waitFor();
    assert.equal(new URL(person.page.url()).pathname, '/signup');
    await person.page.getByRole('link', { name: 'Log in' }).click();
    await person.at('/login');
    await person.fill('E-mail', known.email);
    await person.fill('Password', 'not the password');
    await person.press('Log in');
    await person.page.getByRole('alert').first().waitFor();
    await person.fill('Password', known.password);
    await person.press('Log in');
    // The step that is next.
    await soon('it goes on', () => new URL(person.page.url()).pathname.startsWith('/onboarding/'));
}

/* The whole of it by the mouse, with every step's calls and waits. */
async function walks(app) {
    const person = await open(app, { clock: true });
    await signUp(person, 'walks@acme.example');
    await person.settle();
    assert.deepEqual(person.take(), ['POST /api/auth/signup']);
    await person.page.getByRole('link', { name: 'Get Started' }).click();
    await person.seesHeading('Connect your website');
    await person.settle();
    assert.deepEqual(person.take(), []);
    await connectsWebsite(app, person);
    await launches(app, person);
    await person.sees('Ads Running');
    await person.settle();
    assert.deepEqual(person.take(), ['POST /api/onboarding/launch', 'GET /api/customer/dashboard']);
    assert.equal(await person.page.title(), 'Dashboard · Lotcast');
}

async function connectsWebsite(app, person) {
    const held = await person.hold('POST', '/api/onboarding/website');
    await person.fill('Website', app.says.site);
    await person.press('Connect website');
    await soon('the form is disabled', () => person.page.getByLabel('Website', { exact: true }).isDisabled());
    await person.page.getByRole('progressbar').waitFor();
    // Two seconds to see in what was found; the page's time is moved by hand for that.
    await person.stopTime();
    await held.release();
    await person.tickUntil('it is read', () => person.heading('247 items found').isVisible());
    await person.page.clock.runFor(1500);
    assert.equal(new URL(person.page.url()).pathname, '/onboarding/connect');
    await person.page.clock.runFor(600);
    await person.tickUntil('it goes on', () => new URL(person.page.url()).pathname === '/onboarding/launch');
    await person.page.clock.resume();
    assert.equal(person.take()[0], 'POST /api/onboarding/website');
}

/* There and back again. */
async function throughDialog(person, answer) {
    await person.page.getByRole('link', { name: 'Connect Meta Account' }).click();
    await person.page.getByRole('heading', { name: 'Continue as Jane Doe?' }).waitFor();
    assert.notEqual(new URL(person.page.url()).origin, person.app.base);
    await person.press(answer);
    await soon('it is back', () => new URL(person.page.url()).origin === person.app.base);
}

async function launches(app, person) {
    await throughDialog(person, 'Authorize');
    await person.at('/onboarding/launch');
    await person.sees('Connected');
    // What is wrong is said at its field, and nothing is launched.
    for (const [budget, text] of [['', 'amount'], ['many', 'amount'], ['10', '30']]) {
        await person.fill('Monthly budget', budget);
        await person.press('Launch');
        await person.seesFieldError('Monthly budget', text);
    }
    await person.fill('Monthly budget', '2,500');
    await person.page.getByLabel('Youngest age').selectOption('25');
    const held = await person.hold('POST', '/api/onboarding/launch');
    person.take();
    await person.press('Launch');
    await soon('the form is disabled', () => person.page.getByLabel('Monthly budget').isDisabled());
    const [sent] = await Promise.all([person.page.waitForResponse(/onboarding\/launch/), held.release()]);
    assert.deepEqual(sent.request().postDataJSON(), { monthlyBudget: 2500, currency: 'USD', targeting: { countries: ['US'], ageMin: 25, ageMax: 65 } });
    await person.at('/app/dashboard');
    await person.seesToast(/running/i);
}

async function website(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'signup' }) });
    await person.goTo('/onboarding/connect');
    await person.fill('Website', 'invalid');
    await person.page.keyboard.press('Enter');
    await person.seesFieldError('Website', 'Please enter a valid URL');
    // The field has the focus, and what was typed.
    assert.equal(await person.page.getByLabel('Website', { exact: true }).inputValue(), 'invalid');
    await soon('the field has the focus', () => person.page.getByLabel('Website', { exact: true }).evaluate((field) => field === document.activeElement));
    // Nobody there, and nothing to sell there.
    for (const url of ['http://127.0.0.1:9/', app.says.stripe]) {
        await person.fill('Website', url);
        await person.page.keyboard.press('Enter');
        await soon('it is read', () => person.page.getByLabel('Website', { exact: true }).isEnabled());
        await person.seesFieldError('Website', 'website');
    }
    assert.equal(new URL(person.page.url()).pathname, '/onboarding/connect');
}

async function metaRefused(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'website' }) });
    await person.goTo('/onboarding/launch');
    assert.equal(await person.button('Launch').isDisabled(), true);
    await throughDialog(person, 'Cancel');
    await person.at('/onboarding/launch?error=META_DENIED');
    await person.page.getByRole('alert').filter({ hasText: 'Meta was not connected' }).waitFor();
    assert.equal(await person.button('Launch').isDisabled(), true);
    // One of the permissions is kept back.
    await person.page.getByRole('link', { name: 'Connect Meta Account' }).click();
    await person.page.getByLabel('ads_management').uncheck();
    await person.press('Authorize');
    await person.page.getByRole('alert').filter({ hasText: 'Meta was not connected' }).waitFor();
    await throughDialog(person, 'Authorize');
    await person.at('/onboarding/launch');
    await person.sees('Connected');
    assert.equal(await person.page.getByRole('alert').filter({ hasText: 'Meta was not connected' }).count(), 0);
}

async function launchFails(app) {
    const person = await open(app, { as: await newCustomer(app, { upTo: 'meta' }) });
    await person.goTo('/onboarding/launch');
    await person.fill('Monthly budget', '2500');
    await control(app.says.meta, 'fail', { service: 'meta', method: 'POST', path: '/campaigns', times: -1, status: 500, error: { code: 100, message: 'Invalid parameter' } });
    await person.press('Launch');
    await person.page.getByRole('alert').filter({ hasText: 'Your ads were not launched' }).waitFor();
    assert.equal(await person.page.getByLabel('Monthly budget').inputValue(), '2500');
    await control(app.says.meta, 'clear', {});
    await person.press('Launch');
    await person.at('/app/dashboard');
    await person.sees('Ads Running');
}

/* Tab until it has the focus, as somebody without a mouse would. */
async function tabTo(person, target) {
    for (let pressed = 0; pressed < TABS_MAX; pressed++) {
        if (await target.evaluate((element) => element === document.activeElement).catch(() => false)) return;
        await person.page.keyboard.press('Tab');
    }
    throw new Error(`${target} is not reached by Tab`);
}

async function byKeyboard(app) {
    const person = await open(app);
    const { page } = person;
    const { keyboard } = page;
    await person.goTo('/signup');
    await tabTo(person, page.getByLabel('Company'));
    await keyboard.type('Keys and Cars');
    await tabTo(person, page.getByLabel('E-mail'));
    await keyboard.type('keyboard@acme.example');
    await tabTo(person, page.getByLabel('Password'));
    await keyboard.type(`${PASSWORD}`);
    await keyboard.press('Enter');
    await person.at('/onboarding/start');
    await tabTo(person, page.getByRole('link', { name: 'Get Started' }));
    await keyboard.press('Enter');
    await tabTo(person, page.getByLabel('Website', { exact: true }));
    await keyboard.type(app.says.site);
    await keyboard.press('Enter');
    await tabTo(person, person.button('Continue'));
    await keyboard.press('Enter');
    await tabTo(person, page.getByRole('link', { name: 'Connect Meta Account' }));
    await keyboard.press('Enter');
    await tabTo(person, person.button('Authorize'));
    await keyboard.press('Enter');
    await soon('it is back', () => new URL(page.url()).origin === app.base);
    await page.getByLabel('Monthly budget').and(page.locator(':enabled')).waitFor();
    await tabTo(person, page.getByLabel('Monthly budget'));
    await keyboard.type('2500');
    await tabTo(person, page.getByRole('combobox', { name: 'Countries' }));
    await keyboard.type('Canada');
    await page.getByRole('option', { name: 'Canada' }).waitFor();
    await keyboard.press('Enter');
    await keyboard.press('Escape');
    await page.getByRole('button', { name: 'Remove Canada' }).waitFor();
    await tabTo(person, page.getByLabel('Youngest age'));
    await keyboard.type('30');
    await tabTo(person, person.button('Launch'));
    const [sent] = await Promise.all([page.waitForRequest(/onboarding\/launch$/), keyboard.press('Enter')]);
    assert.deepEqual(sent.postDataJSON().targeting, { countries: ['US', 'CA'], ageMin: 30, ageMax: 65 });
    await person.at('/app/dashboard');
    await person.sees('Ads Running');
    // And out again.
    await tabTo(person, person.button('Account').first());
    await keyboard.press('Enter');
    await page.getByRole('menuitem', { name: 'Log out' }).waitFor();
    await keyboard.press('End');
    await keyboard.press('Enter');
    await person.at('/login');
}

const cases = [
    ['signs up, once the fields are right', signsUp],
    ['an address that is taken leads to the log-in, which goes on where it was', emailTaken],
    ['a website that cannot be read is said at its field', website],
    ["Meta's dialog is left, and refused a permission", metaRefused],
    ['a launch that fails can be tried again', launchFails],
    ['walks from sign-up to running ads', walks],
    ['walks by the keyboard alone', byKeyboard],
];

const app = await startApp({ args: process.argv.slice(2) });
await judgeApp(app, 'onboarding', cases);
