/*
 * The last test of a run: every answer that the end-to-end tests have had of the facade (test/support/exchange.h,
 * LOTCAST_TEST_EXCHANGES) is one that the document describes, and what was asked with success is a request that it
 * allows. Ajv judges, by JSON Schema's 2020 draft, which is OpenAPI 3.1's.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import assert from 'node:assert/strict';

import { judge, judges, startSystem } from './harness.mjs';

const FINDINGS_MAX = 10;

/* --- the document --- */

class Contract {
    constructor(document) {
        const Ajv = judges('ajv/dist/2020').default;
        this.document = document;
        this.validators = new Map();
        this.ajv = new Ajv({ strict: false, allErrors: false, coerceTypes: false });
        judges('ajv-formats').default(this.ajv);
        for (const [name, type] of [['int32', 'number'], ['int64', 'number'], ['password', 'string']])
            this.ajv.addFormat(name, { type, validate: () => true });
        this.ajv.addSchema(document, 'document');
        // Literals win over variables.
        this.templates = Object.keys(document.paths).sort((a, b) => a.includes('{') - b.includes('{'));
    }

    resolve(value) {
        const found = value?.$ref === undefined
            ? value : value.$ref.slice(2).split('/').reduce((at, name) => at[name.replaceAll('~1', '/')], this.document);
        return found;
    }

    /* What is wrong with a value, by the schema at a JSON pointer's parts; null: nothing. */
    fault(value, ...pointer) {
        const key = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
        if (!this.validators.has(key)) this.validators.set(key, this.ajv.compile({ $ref: `document#/${key.split('/').map(encodeURIComponent).join('/')}` }));
        const validate = this.validators.get(key);
        return validate(value) ? null : this.ajv.errorsText(validate.errors, { dataVar: 'it' });
    }

    find(target) {
        const path = target.split('?')[0].split('/').map((part) => {
            try {
                return decodeURIComponent(part);
            } catch {
                return part;
            }
        });
        return this.templates.find((template) => {
            const parts = template.split('/');
            return parts.length === path.length && parts.every((part, i) => part === path[i] || (part.startsWith('{') && path[i] !== ''));
        });
    }
}

/* --- one exchange --- */

function headersOf(head) {
    const lines = head.split('\r\n').slice(1).filter((line) => line.includes(':'));
    return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
}

const ALWAYS_THERE = ['200', '202', '302', '304', '429', '503'];

/* The answer against one of the operation's responses; `pointer` is where the document has it. */
function* answerFaults(contract, exchange, response, pointer) {
    const headers = headersOf(exchange.head);
    for (const name of Object.keys(response.headers ?? {})) {
        const due = ALWAYS_THERE.includes(`${exchange.status}`) || name === 'X-Request-Id';
        if (due && !headers.has(name.toLowerCase())) yield `no header ${name}`;
    }
    if (exchange.method === 'HEAD') return;
    if (response.content === undefined) {
        if (exchange.answer !== '') yield 'a body that is not described';
        return;
    }
    const type = (headers.get('content-type') ?? '').split(';')[0];
    if (response.content[type] === undefined) {
        yield `the media type ${type} is not described`;
    } else if (type === 'application/json') {
        const fault = contract.fault(JSON.parse(exchange.answer), ...pointer, 'content', type, 'schema');
        if (fault !== null) yield `the answer: ${fault}`;
    }
}

function coerce(text, type) {
    if (type === 'integer' || type === 'number') return text === '' ? text : Number(text);
    if (type === 'boolean') return { true: true, false: false }[text] ?? text;
    return text;
}

/* A request that had success is one that the document allows. */
function* requestFaults(contract, exchange, operation, pointer) {
    const known = new Map(operation.parameters.map((parameter, i) => [contract.resolve(parameter), i]));
    const query = new URLSearchParams(exchange.target.split('?')[1] ?? '');
    for (const [name, text] of query) {
        const found = [...known].find(([parameter]) => parameter.in === 'query' && parameter.name === name.replace(/\.(\w+)$/, '[$1]'));
        if (found === undefined) {
            yield `the parameter ${name} is not described`;
            continue;
        }
        const fault = contract.fault(coerce(text, found[0].schema.type), ...pointer, 'parameters', `${found[1]}`, 'schema');
        if (fault !== null && text !== '') yield `the parameter ${name}: ${fault}`;
    }
    if (exchange.request === null || exchange.request === '') {
        if (operation.requestBody?.required) yield 'a success without the body that it requires';
    } else if (operation.requestBody === undefined) {
        yield 'a body that is not described';
    } else {
        const fault = contract.fault(JSON.parse(exchange.request), ...pointer, 'requestBody', 'content', 'application/json', 'schema');
        if (fault !== null) yield `the request: ${fault}`;
    }
}

/* Paths and verbs that the document does not have. */
function* strayFaults(contract, exchange) {
    if (exchange.method === 'OPTIONS') {
        if (exchange.status !== 204 && exchange.status !== 404) yield 'OPTIONS';
        return;
    }
    if (exchange.status < 400) yield 'a success that is not described';
    if (exchange.method === 'HEAD') return;
    const fault = contract.fault(JSON.parse(exchange.answer), 'components', 'schemas', 'Error');
    if (fault !== null) yield `the answer: ${fault}`;
}

/* The frontend's page, which a path that is one may answer with, and nothing else may. */
function isPage(exchange) {
    const isHtml = (headersOf(exchange.head).get('content-type') ?? '').startsWith('text/html');
    return isHtml && exchange.status === 200 && /^\/(login|signup|onboarding\/.+|(app|admin)(\/.*)?)?(\?|$)/.test(exchange.target);
}

function* faultsOf(contract, exchange) {
    if (isPage(exchange)) return;
    const template = contract.find(exchange.target);
    const verb = exchange.method === 'HEAD' ? 'get' : exchange.method.toLowerCase();
    const operation = contract.document.paths[template]?.[verb];
    // 405: HEAD of what has an effect.
    if (operation === undefined || exchange.status === 405) {
        yield* strayFaults(contract, exchange);
        return;
    }
    const pointer = ['paths', template, verb];
    const status = operation.responses[exchange.status] === undefined ? 'default' : `${exchange.status}`;
    const response = operation.responses[status];
    if (response === undefined || (status === 'default' && exchange.status < 400)) {
        yield `the status ${exchange.status} is not described: ${exchange.answer.slice(0, 200)}`;
        return;
    }
    const at = response.$ref === undefined ? [...pointer, 'responses', status] : response.$ref.slice(2).split('/');
    yield* answerFaults(contract, exchange, contract.resolve(response), at);
    if (exchange.status < 400) yield* requestFaults(contract, exchange, operation, pointer);
}

/* --- all of them --- */

async function check(state) {
    const file = process.env.LOTCAST_TEST_EXCHANGES;
    assert.ok(file, 'LOTCAST_TEST_EXCHANGES is not set: ./build.sh test sets it');
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
        const exchange = JSON.parse(line);
        state.count++;
        const template = state.contract.find(exchange.target);
        if (template !== undefined) state.seen.add(`${exchange.method === 'HEAD' ? 'GET' : exchange.method} ${template}`);
        for (const fault of faultsOf(state.contract, exchange)) {
            const what = `${exchange.method} ${exchange.target.slice(0, 200)} ${exchange.status}: ${fault}`;
            state.faults.set(what, `${exchange.program}: ${what}`);
        }
    }
    console.log(`# ${state.count} exchanges, ${state.seen.size} operations`);
    const found = [...state.faults.values()];
    assert.equal(found.length, 0, `${found.length} findings:\n${found.slice(0, FINDINGS_MAX).join('\n')}`);
}

const cases = [
    ['every answer, and every request with success, is as the document says', check],
    ['there were enough of them', async (state) => {
        const all = Object.entries(state.contract.document.paths).flatMap(([path, item]) =>
            Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`));
        assert.deepEqual(all.filter((name) => name.includes('/customer') && !state.seen.has(name)), []);
        assert.ok(state.count > 500, `${state.count}`);
    }],
    ['a wrong answer would be found', async ({ contract }) => {
        const good = { method: 'GET', target: '/api/auth/session', header: null, request: null, status: 200, head: 'HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-type: application/json\r\n',
            answer: '{"user":{"id":"1","name":"","email":"a@b.example","company":"","role":"customer"},"onboarding":{"step":"done"},"new":1}' };
        const faults = (change) => [...faultsOf(contract, { ...good, ...change })].length;
        assert.equal(faults({}), 0);
        for (const change of [
            { answer: good.answer.replace('"id":"1"', '"id":1') }, { answer: good.answer.replace('customer', 'owner') },
            { answer: '{}' }, { head: good.head.replace('x-request-id', 'x-other') }, { head: good.head.replace('json', 'xml') },
            { status: 201 }, { status: 409 }, { target: '/api/auth/session?x=1' }, { request: '{}' },
            { status: 401, answer: '{"error":{"code":"FORBIDDEN","message":"x"}}' }, { status: 401, answer: '{"error":{"code":"AUTH_REQUIRED"}}' },
            { target: '/api/nothing' },
        ]) assert.ok(faults(change) > 0, JSON.stringify(change));
    }],
];

const state = { system: await startSystem(), faults: new Map(), seen: new Set(), count: 0 };
state.contract = new Contract(await (await fetch(`${state.system.url}/api/openapi.json`)).json());
await judge(state, cases, async () => assert.deepEqual(await state.system.stop(), [0, 0]));
