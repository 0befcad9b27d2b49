/*
 * What the tests of the frontend share: a live system whose program has the pages in it, users with a browser each,
 * and what a page asked for, said and looks like. See test/openapi/harness.mjs for the programs and folders needed.
 *
 *     SCREENSHOTS_DIR  where pictures are put; of a case that failed into its failed/
 *     WEB_PAGES_URL, WEB_API_LISTEN  for work on the pages: those of a development server are tested, which passes
 *                      on to a system that listens at WEB_API_LISTEN
 *     WEB_CASES        likewise: just the cases whose names have this text in them
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import assert from 'node:assert/strict';

import { startBrowsers } from '../openapi/chromium.mjs';
import { Browser, control, judge, judges, startSystem, until } from '../openapi/harness.mjs';

const WAIT_MS_MAX = 15000;
const PASSWORD = 'three blue herons';
const QUIET_MS = 250;
const TICK_MS = 20;
const SHOWN_CHARS_MAX = 900;
const LAUNCH = { monthlyBudget: 2500, currency: 'USD', targeting: { countries: ['US'], ageMin: 25, ageMax: 65 } };

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 390, height: 844 };
export const SCHEMES = ['light', 'dark'];

const shots = process.env.SCREENSHOTS_DIR;
const AxeBuilder = judges('@axe-core/playwright').default;

/* --- the system --- */

async function checkPages(base) {
    const answer = await fetch(`${base}/login`, { headers: { accept: 'text/html' } });
    const text = await answer.text();
    if (answer.status !== 200 || !text.includes('id="root"')) {
        throw new Error(`the program has no pages in it (GET /login: ${answer.status}): ./build.sh builds them, unless with --no-web`);
    }
}

/* `args` and `env` are further ones of lotcast serve. */
export async function startApp({ args = [], env = {} } = {}) {
    const own = process.env.WEB_PAGES_URL;
    const development = own === undefined ? {} : { LOTCAST_PUBLIC_URL: own, LOTCAST_LISTEN: process.env.WEB_API_LISTEN };
    const system = await startSystem({ args, env: { ...development, ...env } });
    const base = own ?? system.url;
    await checkPages(base);
    const listens = own === undefined ? base : `http://${process.env.WEB_API_LISTEN}`;
    await control(system.says.stripe, 'stripe_webhook', { url: `${listens}/api/webhooks/stripe` });
    return { system, base, says: system.says, browsers: await startBrowsers(), people: new Set(), customers: 0 };
}

export async function stopApp(app) {
    await app.browsers.close();
    assert.deepEqual(await app.system.stop(), [0, 0]);
}

/* The pictures of an earlier run's failures. */
async function forgetFailures(prefix) {
    const folder = path.join(shots, 'failed');
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((one) => one.startsWith(prefix))) await rm(path.join(folder, name));
}

/* Runs the cases; of one that fails it is told what its users saw. The last person of a case stays until the next. */
export async function judgeApp(app, name, cases) {
    if (shots !== undefined) await forgetFailures(`${name}-`);
    const wanted = cases.filter(([title]) => title.includes(process.env.WEB_CASES ?? ''));
    const closing = wanted.map(([title, runCase]) => [title, async () => {
        await Promise.all([...app.people].map((person) => person.close()));
        await runCase(app);
    }]);
    await judge(app, closing, () => stopApp(app), async (title) => {
        const seen = [];
        for (const person of app.people) seen.push(await person.describe(`${name}-${title.replaceAll(/[^a-z0-9]+/gi, '-')}-${seen.length}`));
        return seen.join('\n');
    });
}

/* Asks until it is so, no longer than a person at a page would wait. */
export const soon = (what, ask) => until(what, ask, WAIT_MS_MAX);

/* --- who uses it --- */

async function ok(asked, what) {
    const answer = await asked;
    assert.ok(answer.status < 400, `${what}: ${answer.status} ${answer.text}`);
    return answer;
}

async function connectMeta(api) {
    const dialog = (await api.send('GET', '/api/auth/meta/connect')).headers.get('location');
    const confirm = dialog.replace('/oauth?', '/oauth/confirm?decision=authorize&');
    const callback = (await fetch(confirm, { redirect: 'manual' })).headers.get('location');
    const back = (await api.send('GET', callback)).headers.get('location');
    assert.doesNotMatch(back, /error=/);
}

/* A customer, made over the API: `upTo` the step signup, website, meta, launch or figures. */
export async function newCustomer(app, { company = 'Acme Auto', upTo = 'figures' } = {}) {
    const api = new Browser(app.base);
    const email = `customer${++app.customers}@acme.example`;
    const step = ['signup', 'website', 'meta', 'launch', 'figures'].indexOf(upTo);
    assert.ok(step >= 0, upTo);
    await ok(api.send('POST', '/api/auth/signup', { body: { email, password: PASSWORD, company, name: 'Jane Doe' } }), 'signup');
    if (step >= 1) await ok(api.send('POST', '/api/onboarding/website', { body: { url: app.says.site } }), 'website');
    if (step >= 2) await connectMeta(api);
    if (step >= 3) await ok(api.send('POST', '/api/onboarding/launch', { body: LAUNCH }), 'launch');
    const figures = async () => (await api.send('GET', '/api/customer/dashboard')).json.performance.impressions > 0;
    if (step >= 4) await until('figures', figures);
    const session = await api.send('GET', '/api/auth/session');
    return { api, email, password: PASSWORD, company, id: session.json.user.id };
}

export async function newAdmin(app) {
    const email = 'admin@lotcast.example';
    const made = await app.system.lotctl(['admin', 'create', '--email', email], `${PASSWORD}\n`);
    assert.equal(made.code, 0, made.log);
    const api = new Browser(app.base);
    await ok(api.send('POST', '/api/auth/login', { body: { email, password: PASSWORD } }), 'login');
    return { api, email, password: PASSWORD };
}

/* --- a user's browser --- */

/* A person at a browser of their own: `as` who is logged in there, `clock` whether the test moves its time. */
export async function open(app, { as, clock = false, size = WIDE, scheme = 'light' } = {}) {
    const context = await app.browsers.newContext({ viewport: size, colorScheme: scheme, reducedMotion: 'reduce', acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS_MAX);
    const person = new Person(app, context, page);
    app.people.add(person);
    if (clock) await page.clock.install();
    if (as !== undefined) await person.logInQuietly(as);
    return person;
}

class Person {
    constructor(app, context, page) {
        Object.assign(this, { app, context, page, calls: [], said: [], others: [], failed: [], running: new Set(), lastChange: 0 });
        page.on('request', (request) => this.#onRequest(request));
        for (const event of ['request', 'requestfinished', 'requestfailed']) page.on(event, (request) => this.#onChange(event, request));
        page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type())) this.said.push(message.text());
        });
        page.on('pageerror', (error) => this.said.push(`${error}`));
        page.on('requestfailed', (request) => {
            // What the page or the browser no longer wants is no failure.
            const why = request.failure()?.errorText;
            if (why !== 'net::ERR_ABORTED') this.failed.push(`${request.method()} ${request.url()}: ${why}`);
        });
        context.addInitScript(() => {
            const say = (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
            document.addEventListener('securitypolicyviolation', say);
        });
    }

    #onRequest(request) {
        const url = new URL(request.url());
        const type = request.resourceType();
        if (url.protocol === 'data:' || url.protocol === 'blob:') return;
        if (url.origin !== this.app.base) this.others.push(`${type} ${url.origin}`);
        else if (['fetch', 'xhr'].includes(type)) this.calls.push(`${request.method()} ${url.pathname}${decodeURIComponent(url.search)}`);
    }

    #onChange(event, request) {
        if (event === 'request') this.running.add(request);
        else this.running.delete(request);
        this.lastChange = Date.now();
    }

    /* What was asked of the API since it was last taken. */
    take() {
        return this.calls.splice(0);
    }

    /* A session of this user's own, without the log-in page. */
    async logInQuietly({ email, password }) {
        const answer = await this.context.request.post(`${this.app.base}/api/auth/login`, { data: { email, password } });
        assert.equal(answer.status(), 200, await answer.text());
    }

    /* Opens a page anew, as its address typed in would. */
    async goTo(target) {
        // What the page before still asks for is no failure.
        this.running.clear();
        return this.page.goto(this.app.base + target);
    }

    /* Opens a page and has all its requests answered. */
    async goToQuiet(target) {
        await this.goTo(target);
        await this.settle();
    }

    /* Until nothing is asked, and nothing has been for a moment: what a click or a page begins, it begins at once. */
    async settle() {
        const from = Date.now();
        await soon('all is answered', async () => {
            // A machine that is busy may not have come to it.
            await this.page.evaluate(() => new Promise((resolve) => {
                const { port1, port2 } = new MessageChannel();
                port1.onmessage = resolve;
                port2.postMessage(0);
            })).catch(() => undefined);
            return this.running.size === 0 && Date.now() - Math.max(from, this.lastChange) >= QUIET_MS;
        });
    }

    async at(target) {
        await this.page.waitForURL((url) => url.origin === this.app.base && url.pathname + url.search === target);
    }

    /* Moves the page's time, which stands still, in small steps until it is so. */
    async tickUntil(what, ask) {
        await soon(what, async () => {
            await this.page.clock.runFor(TICK_MS);
            return ask();
        });
    }

    /* The page's time stands still from now on. */
    async stopTime() {
        await this.page.clock.pauseAt(await this.page.evaluate(() => Date.now() + 1000));
    }

    heading(name) {
        return this.page.getByRole('heading', { name, exact: typeof name === 'string' }).first();
    }

    async seesHeading(name) {
        await this.heading(name).waitFor();
    }

    async sees(text) {
        await this.page.getByText(text).filter({ visible: true }).first().waitFor();
    }

    async seesNot(text) {
        await soon(`${text} is gone`, async () => (await this.page.getByText(text).filter({ visible: true }).count()) === 0);
    }

    async seesToast(text) {
        await this.page.getByRole('status').filter({ hasText: text }).first().waitFor();
    }

    /* The message at the field of this label. */
    async seesFieldError(label, text) {
        const field = this.page.getByLabel(label, { exact: true });
        await soon(`${label} is marked`, async () => (await field.getAttribute('aria-invalid')) === 'true');
        const ids = (await field.getAttribute('aria-describedby')).split(' ');
        const said = await Promise.all(ids.map((id) => this.page.locator(`[id="${id}"]`).innerText()));
        assert.ok(said.some((one) => one.includes(text)), `${label}: ${said.join(' / ')}`);
    }

    async fill(label, value) {
        await this.page.getByLabel(label, { exact: true }).fill(value);
    }

    button(name) {
        return this.page.getByRole('button', { name, exact: typeof name === 'string' });
    }

    async press(name) {
        await this.button(name).click();
    }

    /* A dialog that is open: its panel. */
    dialog(name) {
        return this.page.getByRole('dialog', { name });
    }

    async seesDialog(name) {
        await this.dialog(name).getByRole('heading', { name }).waitFor();
    }

    async seesNoDialog() {
        await this.page.getByRole('dialog').waitFor({ state: 'detached' });
    }

    /* Goes to another page by the navigation. */
    async follow(name) {
        await this.page.getByRole('navigation').getByRole('link', { name, exact: true }).first().click();
    }

    /* Answers of these calls (METHOD and how the path begins) are kept back until they are released. */
    async hold(method, part) {
        const held = { asked: 0 };
        const match = (url) => url.pathname.startsWith(part);
        let letGo;
        const released = new Promise((resolve) => { letGo = resolve; });
        const onRoute = async (route) => {
            if (route.request().method() !== method || route.request().resourceType() === 'document') return route.fallback();
            held.asked++;
            await released;
            return route.continue().catch(() => undefined);
        };
        held.release = async () => {
            letGo();
            await this.page.unroute(match, onRoute);
        };
        await this.page.route(match, onRoute);
        return held;
    }

    /* These calls are answered so, instead of by the system, until the function returned is called. */
    async answerWith(method, part, status, body = { error: { code: 'INTERNAL', message: 'Something went wrong on our side. Try again in a moment.' } }) {
        const match = (url) => url.pathname.startsWith(part);
        const meant = (request) => request.method() === method && request.resourceType() !== 'document';
        const onRoute = (route) => (meant(route.request()) ? route.fulfill({ status, json: body }) : route.fallback());
        await this.page.route(match, onRoute);
        return () => this.page.unroute(match, onRoute);
    }

    /* Nothing was said on the console, nothing failed, and no other host was spoken to, images excepted. */
    quiet() {
        assert.deepEqual(this.said, []);
        assert.deepEqual(this.failed, []);
        assert.deepEqual(this.others.filter((other) => !other.startsWith('image ')), []);
    }

    /* What axe finds, as texts; none is good. */
    async axe() {
        const { violations } = await new AxeBuilder({ page: this.page }).setLegacyMode(true).analyze();
        return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1]?.trim()}`));
    }

    /* How far the page is wider than the window. */
    async overflow() {
        return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    }

    async shoot(name) {
        if (shots === undefined) return;
        const file = path.join(shots, `${name}.png`);
        await mkdir(path.dirname(file), { recursive: true });
        await this.page.screenshot({ path: file, fullPage: true });
    }

    async describe(name) {
        await this.shoot(`failed/${name}`).catch(() => undefined);
        // All ages, zones and countries are no news.
        await this.page.evaluate(() => document.querySelectorAll('select').forEach((list) => { list.style.display = 'none'; })).catch(() => undefined);
        const text = await this.page.locator('body').innerText({ timeout: 2000 }).catch((error) => `${error}`);
        return `at ${this.page.url()}\n${text.slice(0, SHOWN_CHARS_MAX)}\nconsole: ${JSON.stringify(this.said)}\nfailed: ${JSON.stringify(this.failed)}`;
    }

    async close() {
        this.app.people.delete(this);
        await this.context.close();
    }
}
