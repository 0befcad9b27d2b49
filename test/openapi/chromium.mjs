/*
 * A real browser for tests: Debian's chromium without a window, driven by playwright. It finds no host but the
 * machine itself.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';

import { judges } from './harness.mjs';

function findChromium() {
    const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
    const found = places.find((place) => place !== undefined && existsSync(place));
    if (found === undefined) throw new Error('there is no chromium');
    return found;
}

const launch = {
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'],
};

/* With a profile of its own below `work`. */
export async function startBrowser(work) {
    const { chromium } = judges('playwright-core');
    return chromium.launchPersistentContext(path.join(work, 'profile'), { ...launch, executablePath: findChromium(), viewport: { width: 1280, height: 900 } });
}

/* For several users at once: each is a context of its own. */
export async function startBrowsers() {
    const { chromium } = judges('playwright-core');
    return chromium.launch({ ...launch, executablePath: findChromium() });
}
