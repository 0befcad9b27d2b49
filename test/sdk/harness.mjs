/*
 * What both judges need: the sandbox on free ports, the SDKs, and cases counted as TAP.
 *
 *     SANDBOX_BIN  the program
 *     SDK_DIR      where package-lock.json is installed: ./build.sh test does that
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import path from 'node:path';

const START_MS_MAX = 20000;
const STOP_MS_MAX = 10000;
const WAIT_MS_MAX = 20000;
const POLL_MS = 20;

// Everything here is on loopback; a proxy of the machine's is none of it.
for (const name of ['http_proxy', 'https_proxy', 'all_proxy']) {
    delete process.env[name];
    delete process.env[name.toUpperCase()];
}

/* A vendor's package, from SDK_DIR. */
export function sdk(name) {
    return createRequire(path.join(process.env.SDK_DIR, 'package.json'))(name);
}

async function startSandbox(flags) {
    const child = spawn(process.env.SANDBOX_BIN, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    // Also where this script is ended by an exception of its own.
    process.once('exit', () => child.kill('SIGKILL'));
    const says = {};
    const ready = (async () => {
        for await (const line of createInterface({ input: child.stdout })) {
            const [name, ...value] = line.split(' ');
            if (name === 'ready') return true;
            says[name] = value.join(' ');
        }
        return false;
    })();
    const failed = child_error(child);
    if (!(await within(START_MS_MAX, Promise.race([ready, failed])))) throw new Error('the sandbox did not start');
    const stop = async () => {
        child.kill('SIGTERM');
        return within(STOP_MS_MAX, ended);
    };
    return { says, stop };
}

function child_error(child) {
    return new Promise((resolve, reject) => child.once('error', reject));
}

/* The promise's value, or an error once the time is up. */
async function within(ms, promise) {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing happened within ${ms} ms`)), ms);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

/* Asks until the answer is true, and returns it. */
export async function until(what, ask) {
    const end = Date.now() + WAIT_MS_MAX;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
}

/* The error that the call ends with. */
export async function refusal(call) {
    try {
        await call();
    } catch (error) {
        return error;
    }
    throw new Error('it was not refused');
}

/* A control endpoint of the sandbox; see main.c. */
export async function control(base, name, body) {
    const answer = await fetch(`${base}/_control/${name}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`/_control/${name}: ${answer.status}`);
    return answer.json();
}

function explain(error) {
    const answer = error?.response === undefined ? '' : `\n${JSON.stringify(error.response)}`;
    return `${error?.message ?? error}${answer}\n${error?.stack ?? ''}`.replaceAll(/^/gm, '# ');
}

/*
 * Runs the cases in order, each [name, function(state)], against one sandbox. `state` has what the
 * sandbox says and whatever a case leaves there for later ones.
 */
export async function judge(flags, cases) {
    console.log(`1..${cases.length + 1}`);
    let bad = 0;
    const report = (number, name, error) => {
        bad += error === undefined ? 0 : 1;
        console.log(`${error === undefined ? 'ok' : 'not ok'} ${number} - ${name}`);
        if (error !== undefined) console.log(explain(error));
    };
    const sandbox = await startSandbox(flags);
    const state = { says: sandbox.says };
    for (const [at, [name, run]] of cases.entries()) {
        let error;
        try {
            await within(WAIT_MS_MAX, run(state));
        } catch (thrown) {
            error = thrown ?? new Error('nothing was thrown');
        }
        report(at + 1, name, error);
    }
    const code = await sandbox.stop().catch((error) => error.message);
    report(cases.length + 1, 'the sandbox ends when it is told to', code === 0 ? undefined : code);
    process.exit(bad === 0 ? 0 : 1);
}
