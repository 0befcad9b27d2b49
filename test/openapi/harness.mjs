/*
 * What the judges of the OpenAPI document share: a live system beside the sandbox, browsers with a cookie, and
 * cases counted as TAP.
 *
 *     LOTCAST_BIN, LOTCTL_BIN, SANDBOX_BIN  the programs
 *     JUDGES_DIR                            where package-lock.json is installed: ./build.sh test does that
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';

const START_MS_MAX = 60000;
const STOP_MS_MAX = 15000;
const WAIT_MS_MAX = 60000;
const CASE_MS_MAX = 180000;
const POLL_MS = 50;

// Everything here is on loopback; a proxy of the machine's is none of it.
for (const name of ['http_proxy', 'https_proxy', 'all_proxy']) {
    delete process.env[name];
    delete process.env[name.toUpperCase()];
}
// The linter is to lint, and nothing else.
Object.assign(process.env, { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CI: 'true' });

export const judges = createRequire(path.join(process.env.JUDGES_DIR, 'package.json'));

/* The script that a package's program is. */
export function program(name, bin) {
    const manifest = path.join(process.env.JUDGES_DIR, 'node_modules', name, 'package.json');
    return path.join(path.dirname(manifest), judges(manifest).bin[bin]);
}

/* --- processes --- */

const running = new Set();
// Also where a script is ended by an exception of its own.
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/* The promise's value, or an error once the time is up. */
async function within(ms, promise, what = 'nothing happened') {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

/* Starts a program; stop() ends it and returns how it ended. */
export function start(command, args, options = {}) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(child);
    child.log = '';
    const keep = (text) => { child.log = (child.log + text).slice(-20000); };
    child.stderr?.on('data', keep);
    const ended = new Promise((resolve) => {
        child.once('error', (error) => resolve(error.message));
        child.once('exit', (code, signal) => {
            running.delete(child);
            resolve(code ?? signal);
        });
    });
    const stop = async () => {
        child.kill('SIGTERM');
        return within(STOP_MS_MAX, ended, `${path.basename(command)} does not end`);
    };
    return { child, ended, stop, keep };
}

/* Runs a program to its end. */
export async function run(command, args, options = {}) {
    const { input, ...rest } = options;
    const started = start(command, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], ...rest });
    let out = '';
    started.child.stdout.on('data', (text) => { out += text; });
    started.child.stdin?.end(input);
    const code = await within(CASE_MS_MAX, started.ended, command);
    return { code, out, log: started.child.log };
}

/* Lines until `done` takes one. */
async function linesUntil(started, done) {
    const lines = [];
    const reader = (async () => {
        for await (const line of createInterface({ input: started.child.stdout })) {
            lines.push(line);
            if (done(line)) return true;
        }
        return false;
    })();
    if (!(await within(START_MS_MAX, reader, 'it did not start'))) throw new Error(`it did not start: ${started.child.log}`);
    started.child.stdout.resume();
    return lines;
}

/* Asks until the answer is true, and returns it. */
export async function until(what, ask, ms = WAIT_MS_MAX) {
    const end = Date.now() + ms;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
}

/* A port that was free a moment ago, for a program that cannot choose one by itself. */
export function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/* --- the system --- */

async function startSandbox() {
    const sandbox = start(process.env.SANDBOX_BIN, ['--history-days', '30']);
    const says = Object.fromEntries((await linesUntil(sandbox, (line) => line === 'ready')).map((line) => {
        const at = line.indexOf(' ');
        return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
    }));
    return { ...sandbox, says };
}

/* sandbox and lotcast serve; `url` is where it listens. `args` and `env` are further ones of serve's. */
export async function startSystem({ args = [], env: more = {} } = {}) {
    const work = await mkdtemp(path.join(os.tmpdir(), 'lotcast-openapi-'));
    const sandbox = await startSandbox();
    const env = {
        ...process.env,
        LOTCAST_DATA_DIR: path.join(work, 'data'), LOTCAST_LISTEN: '127.0.0.1:0', LOTCAST_SIGNUP_CREDITS: '25187',
        LOTCAST_META_GRAPH_URL: sandbox.says.meta, LOTCAST_META_DIALOG_URL: sandbox.says.dialog,
        LOTCAST_META_APP_ID: sandbox.says.app_id, LOTCAST_META_APP_SECRET: sandbox.says.app_secret,
        LOTCAST_STRIPE_API_URL: sandbox.says.stripe, LOTCAST_STRIPE_SECRET_KEY: sandbox.says.stripe_secret_key,
        LOTCAST_STRIPE_WEBHOOK_SECRET: sandbox.says.stripe_webhook_secret, LOTCAST_SCAN_ALLOW: '127.0.0.0/8', ...more,
    };
    const lotcast = start(process.env.LOTCAST_BIN, ['serve', ...args], { env });
    const [url] = await linesUntil(lotcast, () => true);
    await until('ready', async () => (await fetch(`${url}/readyz`).catch(() => ({}))).ok);
    const stop = async () => {
        const codes = [await lotcast.stop(), await sandbox.stop()];
        await rm(work, { recursive: true, force: true });
        return codes;
    };
    const lotctl = (args, input) => run(process.env.LOTCTL_BIN, args, { env, input });
    return { url, says: sandbox.says, lotctl, stop };
}

/* A control endpoint of the sandbox; see test/sandbox/main.c. */
export async function control(base, name, body) {
    const answer = await fetch(`${base}/_control/${name}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`/_control/${name}: ${answer.status}`);
    return answer.json();
}

/* A browser: keeps the session cookie, follows no redirect. */
export class Browser {
    constructor(base) {
        this.base = base;
        this.cookie = '';
    }

    async send(method, target, { body, headers = {}, raw } = {}) {
        const sent = { ...headers };
        if (this.cookie !== '') sent.cookie = `lotcast_session=${this.cookie}`;
        if (body !== undefined) sent['content-type'] ??= 'application/json';
        const answer = await fetch(new URL(target, this.base), {
            method, headers: sent, redirect: 'manual', body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
        });
        const text = await answer.text();
        for (const line of answer.headers.getSetCookie?.() ?? [answer.headers.get('set-cookie') ?? '']) {
            const found = /^lotcast_session=([^;]*)/.exec(line);
            if (found) this.cookie = found[1];
        }
        let json;
        try {
            json = JSON.parse(text);
        } catch {
            json = undefined;
        }
        return { status: answer.status, headers: answer.headers, text, json };
    }
}

/* --- cases --- */

function explain(error) {
    return `${error?.message ?? error}\n${error?.stack ?? ''}`.replaceAll(/^/gm, '# ');
}

/*
 * Runs the cases in order, each [name, function(state)]; `state` is shared by them. `onFailure(name)` may say more about
 * one that failed.
 */
export async function judge(state, cases, finish, onFailure = async () => '') {
    console.log(`1..${cases.length + 1}`);
    let bad = 0;
    const report = (number, name, error, more = '') => {
        bad += error === undefined ? 0 : 1;
        console.log(`${error === undefined ? 'ok' : 'not ok'} ${number} - ${name}`);
        if (error !== undefined) console.log(explain(error));
        if (more !== '') console.log(more.replaceAll(/^/gm, '# '));
    };
    for (const [at, [name, runCase]] of cases.entries()) {
        let error;
        try {
            await within(CASE_MS_MAX, runCase(state), name);
        } catch (thrown) {
            error = thrown ?? new Error('nothing was thrown');
        }
        const more = error === undefined ? '' : await onFailure(name).catch((thrown) => `${thrown}`);
        report(at + 1, name, error, more);
    }
    let error;
    try {
        await finish(state);
    } catch (thrown) {
        error = thrown;
    }
    report(cases.length + 1, 'all that was started ends', error);
    process.exit(bad === 0 ? 0 : 1);
}
