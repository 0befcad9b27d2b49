/*
 * Packs the files of /api/docs: pack.mjs OUT.c OUT.bin VIEWER. VIEWER is the folder of npm's swagger-ui-dist. Names
 * have a hash of what they name, so that browsers may keep them for good.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { ASK_AGAIN, FOR_GOOD, digest, fail, pack, typeOf } from '../pack.mjs';

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const PAGE = 'docs.html';
const OWN = ['docs.css', 'docs.js'];
const VIEWERS = ['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-bundle.js.LICENSE.txt', 'LICENSE', 'NOTICE'];
const POLICY = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join('; ');

function hashedName(name, data) {
    const { name: stem, ext } = path.parse(name);
    return `/api/docs/${stem}-${digest(data).slice(0, 16)}${ext}`;
}

/* Leaves out the line that points to a source map, which is not served. */
function withoutMap(data) {
    const lines = data.toString('latin1').split('\n');
    return Buffer.from(lines.filter((line) => !/^\/[/*]# sourceMapping/.test(line)).join('\n'), 'latin1');
}

const [source, blob, viewer] = process.argv.slice(2);
let page = readFileSync(path.join(HERE, PAGE), 'utf8');
const files = [...OWN.map((name) => path.join(HERE, name)), ...VIEWERS.map((name) => path.join(viewer, name))].map((from) => {
    const name = path.basename(from);
    const data = withoutMap(readFileSync(from));
    const hashed = hashedName(name, data);
    if (!page.includes(`@${name}@`)) fail(`${PAGE} does not name ${name}`);
    page = page.replaceAll(`@${name}@`, hashed);
    return { path: hashed, type: typeOf(name) ?? typeOf('.txt'), cache: FOR_GOOD, data };
});
pack('rest_docs', [{ path: '/api/docs', type: typeOf(PAGE), cache: ASK_AGAIN, policy: POLICY, data: Buffer.from(page) }, ...files],
    source, blob);
