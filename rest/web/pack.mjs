/*
 * Packs the frontend: pack.mjs OUT.c OUT.bin DIST. DIST is what `npm run build` of clients/web leaves: index.html,
 * which is the page of every path that is one; assets/, whose names have a hash of what they name; and maybe files
 * beside index.html. Without DIST there are no pages.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { ASK_AGAIN, FOR_GOOD, fail, pack, typeOf } from '../pack.mjs';

const PAGE = 'index.html';
const ASSETS = 'assets/';
/* As Vite writes it: name-Hash8xyz.js. */
const HASHED = /-[A-Za-z0-9_-]{8}\.[a-z0-9]+$/;
/*
 * Everything is the facade's own, but for pictures: the inventory and the ads show items by the imageUrl that the
 * customer's site gives, on whatever host and be it http. What such a picture may do is be drawn; it is asked for without a
 * Referer (rest/response.c). data: is for small pictures in styles. Meta's and Stripe's pages are gone to as a
 * whole, which none of this concerns.
 */
const POLICY = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: https: http:", "font-src 'self'",
    "connect-src 'self'", "manifest-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
].join('; ');

/* What the policy would not let run: better found here than in a browser. */
function check(page) {
    for (const [what, pattern] of [
        ['a script without src', /<script(?![^>]*\ssrc=)[^>]*>/i],
        ['a style element', /<style[\s>]/i],
        ['a style attribute', /<[^>]*\sstyle=/i],
        ['a handler', /<[^>]*\son[a-z]+=/i],
    ]) {
        if (pattern.test(page)) fail(`${PAGE} has ${what}, which its policy forbids`);
    }
}

function describe(dist, name) {
    const data = readFileSync(path.join(dist, name));
    const type = typeOf(name);
    const isAsset = name.startsWith(ASSETS);
    if (type === undefined) fail(`${name}: no type for it in rest/pack.mjs`);
    if (isAsset && !HASHED.test(name)) fail(`${name} has no hash in its name, and is to be kept for good`);
    if (!isAsset && (name.includes('/') || name.startsWith('api'))) fail(`${name} is neither below ${ASSETS} nor beside ${PAGE}`);
    return { path: `/${name}`, type, cache: isAsset ? FOR_GOOD : ASK_AGAIN, data };
}

const [source, blob, dist] = process.argv.slice(2);
let files = [];
if (dist !== undefined && existsSync(path.join(dist, PAGE))) {
    const page = describe(dist, PAGE);
    check(page.data.toString());
    const others = readdirSync(dist, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(dist, path.join(entry.parentPath ?? entry.path, entry.name)))
        .filter((name) => name !== PAGE)
        .sort();
    files = [{ ...page, policy: POLICY }, ...others.map((name) => describe(dist, name))];
}
pack('rest_web', files, source, blob);
