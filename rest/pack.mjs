/*
 * Files that are built into the program: `pack` writes them as one blob and a C file that names its parts. Each file
 * is there as it is, compressed with gzip and with brotli; a compressed form that saves next to nothing is left out.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import zlib from 'node:zlib';

export const FOR_GOOD = 'public, max-age=31536000, immutable';
export const ASK_AGAIN = 'no-cache';

const UTF8 = '; charset=utf-8';
const TYPES = {
    '.css': `text/css${UTF8}`,
    '.html': `text/html${UTF8}`,
    '.ico': 'image/x-icon',
    '.js': `text/javascript${UTF8}`,
    '.json': 'application/json',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
    '.txt': `text/plain${UTF8}`,
    '.webmanifest': 'application/manifest+json',
    '.webp': 'image/webp',
    '.woff2': 'font/woff2',
};
/* What a compressed form has to be smaller by. */
const SAVED_SHARE = 0.05;

/* The media type of a name's ending; undefined for one that browsers are not told of. */
export function typeOf(name) {
    return TYPES[name.slice(name.lastIndexOf('.'))];
}

/* Hex of what the bytes are known by. */
export function digest(data) {
    return createHash('sha256').update(data).digest('hex').slice(0, 28);
}

export function fail(message) {
    process.stderr.write(`${message}\n`);
    process.exit(1);
}

function gzip(data) {
    const packed = zlib.gzipSync(data, { level: 9 });
    packed[9] = 255; // made on no system in particular: the same bytes everywhere
    return packed;
}

function brotli(data) {
    return zlib.brotliCompressSync(data, {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length },
    });
}

const quote = (text) => (text === undefined ? 'NULL' : JSON.stringify(text));

/*
 * `files` are { path, type, cache, policy, data }, the page first; `name` is what the C names begin with. Written are
 * NAME_files and NAME_file_count, as rest/file.h declares them.
 */
export function pack(name, files, sourcePath, blobPath) {
    const blob = [];
    let at = 0;
    const put = (data) => {
        blob.push(data);
        at += data.length;
        return `{${name}_blob + ${at - data.length}, ${data.length}}`;
    };
    const putSmaller = (packed, data) => (packed.length < data.length * (1 - SAVED_SHARE) ? put(packed) : '{NULL, 0}');
    const rows = files.map(({ path, type, cache, policy, data }) => '    {' + [
        quote(path), quote(type), quote(cache), quote(policy), quote(digest(data)),
        put(data), putSmaller(gzip(data), data), putSmaller(brotli(data), data),
    ].join(', ') + '},\n');
    writeFileSync(blobPath, Buffer.concat(blob));
    // A blob that has changed is a source that has changed.
    writeFileSync(sourcePath, `/* ${digest(Buffer.concat(blob))} */
#include "rest/file.h"

__asm__(".section .rodata\\n.balign 16\\n${name}_blob:\\n.incbin \\"${blobPath}\\"\\n.byte 0\\n.previous\\n");
extern const uint8_t ${name}_blob[] __attribute__((visibility("hidden")));
const size_t ${name}_file_count = ${files.length};
const struct rest_file ${name}_files[] = {
${rows.join('')}    {NULL, NULL, NULL, NULL, NULL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
};
`);
}
