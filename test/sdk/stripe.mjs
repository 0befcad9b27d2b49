/*
 * Stripe's own SDK, unmodified, as the judge of the stand-in of Stripe: all that clients/stripe
 * uses, and the errors as the SDK names them.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { control, judge, refusal, sdk, until } from './harness.mjs';

const Stripe = sdk('stripe');

const API_VERSION = '2024-06-20'; /* what clients/stripe sends */

const order = {
    mode: 'payment',
    client_reference_id: 'customer 1',
    customer_email: 'jane+ads@acme.example',
    success_url: 'http://127.0.0.1/app/billing?success=true&session_id={CHECKOUT_SESSION_ID}',
    cancel_url: 'http://127.0.0.1/app/billing?canceled=true',
    line_items: [
        {
            price_data: { currency: 'usd', unit_amount: 50000, product_data: { name: '10,000 credits & more' } },
            quantity: 1,
        },
    ],
    metadata: { purchaseId: '77' },
    payment_intent_data: { metadata: { purchaseId: '77' } },
};

function client(state, key = state.says.stripe_secret_key, options = {}) {
    const url = new URL(state.says.stripe);
    return new Stripe(key, {
        host: url.hostname,
        port: url.port,
        protocol: 'http',
        apiVersion: API_VERSION,
        telemetry: false,
        maxNetworkRetries: 0,
        ...options,
    });
}

/* As a person on the page. */
async function press(session, method) {
    const answer = await fetch(`${session.url}/confirm`, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `method=${method}`,
    });
    assert.equal(answer.status, 302);
    return answer.headers.get('location');
}

/* Where the stand-in's events go: kept as the SDK verifies them. */
async function listen(state) {
    const server = createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            const body = Buffer.concat(parts);
            const signature = request.headers['stripe-signature'];
            state.deliveries.push({ body, signature });
            try {
                state.events.push(state.stripe.webhooks.constructEvent(body, signature, state.says.stripe_webhook_secret));
                response.end('{}');
            } catch (error) {
                state.rejected.push(error);
                response.writeHead(400).end();
            }
        });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    Object.assign(state, { deliveries: [], events: [], rejected: [] });
    await control(state.says.stripe, 'stripe_webhook', { url: `http://127.0.0.1:${server.address().port}/` });
}

const eventOf = (state, type, test = () => true) =>
    until(type, () => state.events.find((event) => event.type === type && test(event.data.object)));

const cases = [
    ['a session is created', async (state) => {
        state.stripe = client(state);
        const session = await state.stripe.checkout.sessions.create(order, { idempotencyKey: 'purchase-77' });
        assert.match(session.id, /^cs_test_/);
        assert.equal(session.object, 'checkout.session');
        assert.equal(session.mode, 'payment');
        assert.equal(session.status, 'open');
        assert.equal(session.payment_status, 'unpaid');
        assert.equal(session.amount_total, 50000);
        assert.equal(session.currency, 'usd');
        assert.equal(session.payment_intent, null);
        assert.equal(session.client_reference_id, 'customer 1');
        assert.equal(session.customer_email, 'jane+ads@acme.example');
        assert.deepEqual(session.metadata, { purchaseId: '77' });
        assert.equal(session.livemode, false);
        assert.equal(session.success_url, order.success_url);
        assert.match(session.lastResponse.requestId, /^req_/);
        assert.equal(session.lastResponse.statusCode, 200);
        state.session = session;
    }],
    ['the same key makes no second session', async (state) => {
        const again = await state.stripe.checkout.sessions.create(order, { idempotencyKey: 'purchase-77' });
        assert.equal(again.id, state.session.id);
        assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
        assert.equal(again.lastResponse.idempotencyKey, 'purchase-77');
        assert.equal(again.lastResponse.apiVersion, API_VERSION);
    }],
    ['another key makes another session', async (state) => {
        const other = await state.stripe.checkout.sessions.create(order, { idempotencyKey: 'purchase-78' });
        assert.notEqual(other.id, state.session.id);
        assert.equal(other.lastResponse.headers['idempotent-replayed'], undefined);
        state.other = other;
    }],
    ['the same key with other values is StripeIdempotencyError', async (state) => {
        const error = await refusal(() =>
            state.stripe.checkout.sessions.create({ ...order, client_reference_id: 'customer 2' }, { idempotencyKey: 'purchase-77' }));
        assert.ok(error instanceof Stripe.errors.StripeIdempotencyError);
        assert.equal(error.statusCode, 400);
    }],
    ['the SDK repeats a create after a lost answer, and there is one session', async (state) => {
        await control(state.says.stripe, 'fail', { service: 'stripe', path: '/v1/checkout/sessions', drop: 'after', times: 1 });
        const session = await client(state, undefined, { maxNetworkRetries: 2 })
            .checkout.sessions.create(order, { idempotencyKey: 'purchase-79' });
        assert.equal(session.lastResponse.headers['idempotent-replayed'], 'true');
        const again = await state.stripe.checkout.sessions.create(order, { idempotencyKey: 'purchase-79' });
        assert.equal(again.id, session.id);
    }],
    ['the SDK repeats after a 500, and obeys Stripe-Should-Retry', async (state) => {
        const body = { error: { type: 'api_error', message: 'Something is wrong at our end' } };
        const fail = { service: 'stripe', path: '/v1/checkout/sessions', status: 500, body };
        await control(state.says.stripe, 'fail', { ...fail, times: 1 });
        const patient = client(state, undefined, { maxNetworkRetries: 1 });
        assert.match((await patient.checkout.sessions.create(order)).id, /^cs_test_/);
        await control(state.says.stripe, 'fail', { ...fail, times: 1, header_name: 'Stripe-Should-Retry', header_value: 'false' });
        const error = await refusal(() => patient.checkout.sessions.create(order));
        assert.ok(error instanceof Stripe.errors.StripeAPIError);
        assert.equal(error.statusCode, 500);
        await control(state.says.stripe, 'clear', {});
    }],
    ['no answer is StripeConnectionError', async (state) => {
        await control(state.says.stripe, 'fail', { service: 'stripe', path: '/v1/checkout', drop: 'before', times: -1 });
        const error = await refusal(() => state.stripe.checkout.sessions.retrieve(state.session.id));
        await control(state.says.stripe, 'clear', {});
        assert.ok(error instanceof Stripe.errors.StripeConnectionError);
    }],
    ['too many calls are StripeRateLimitError', async (state) => {
        const body = { error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Too many requests' } };
        await control(state.says.stripe, 'fail', { service: 'stripe', path: '/v1/checkout', status: 429, body });
        const error = await refusal(() => state.stripe.checkout.sessions.retrieve(state.session.id));
        assert.ok(error instanceof Stripe.errors.StripeRateLimitError);
    }],
    ['a wrong key is StripeAuthenticationError', async (state) => {
        const error = await refusal(() => client(state, 'sk_test_not_ours').checkout.sessions.retrieve(state.session.id));
        assert.ok(error instanceof Stripe.errors.StripeAuthenticationError);
        assert.equal(error.statusCode, 401);
        assert.match(error.requestId, /^req_/);
    }],
    ['what is missing is StripeInvalidRequestError, and named', async (state) => {
        const { success_url: left_out, ...rest } = order;
        const error = await refusal(() => state.stripe.checkout.sessions.create(rest));
        assert.ok(left_out && error instanceof Stripe.errors.StripeInvalidRequestError);
        assert.equal(error.statusCode, 400);
        assert.equal(error.code, 'parameter_missing');
        assert.equal(error.param, 'success_url');
    }],
    ['what is unknown is refused, and named', async (state) => {
        const error = await refusal(() => state.stripe.checkout.sessions.create({ ...order, color: 'red' }));
        assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
        assert.equal(error.code, 'parameter_unknown');
        assert.equal(error.param, 'color');
    }],
    ['an amount below Stripe\'s least is refused', async (state) => {
        const line_items = structuredClone(order.line_items);
        line_items[0].price_data.unit_amount = 49;
        const error = await refusal(() => state.stripe.checkout.sessions.create({ ...order, line_items }));
        assert.equal(error.code, 'amount_too_small');
    }],
    ['a session that is not there is 404, resource_missing', async (state) => {
        const error = await refusal(() => state.stripe.checkout.sessions.retrieve('cs_test_none'));
        assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
        assert.equal(error.statusCode, 404);
        assert.equal(error.code, 'resource_missing');
    }],
    ['the page has what is bought, and Cancel leads to the cancel_url', async (state) => {
        const page = await (await fetch(state.session.url)).text();
        assert.ok(page.includes('10,000 credits &amp; more') && page.includes('500.00'));
        assert.ok(page.includes(`<a href="${order.cancel_url}">Cancel</a>`));
    }],
    ['Pay leads back with the session\'s id, and the session is paid', async (state) => {
        await listen(state);
        const back = new URL(await press(state.session, 'card'));
        assert.equal(back.searchParams.get('session_id'), state.session.id);
        assert.equal(back.searchParams.get('success'), 'true');
        const session = await state.stripe.checkout.sessions.retrieve(state.session.id);
        assert.equal(session.status, 'complete');
        assert.equal(session.payment_status, 'paid');
        assert.match(session.payment_intent, /^pi_/);
        assert.equal(session.url, null);
        state.paid = session;
    }],
    ['checkout.session.completed comes signed, and the SDK takes it', async (state) => {
        const event = await eventOf(state, 'checkout.session.completed', (object) => object.id === state.paid.id);
        assert.match(event.id, /^evt_/);
        assert.equal(event.object, 'event');
        assert.equal(event.livemode, false);
        assert.equal(event.data.object.payment_status, 'paid');
        assert.equal(event.data.object.payment_intent, state.paid.payment_intent);
        assert.deepEqual(event.data.object.metadata, { purchaseId: '77' });
        assert.deepEqual(state.rejected, []);
    }],
    ['the stand-in signs as the SDK does', async (state) => {
        const { body, signature } = state.deliveries[0];
        const timestamp = Number(/^t=(\d+),v1=[0-9a-f]{64}$/.exec(signature)[1]);
        const same = state.stripe.webhooks.generateTestHeaderString({
            payload: body.toString(), secret: state.says.stripe_webhook_secret, timestamp,
        });
        assert.equal(signature, same);
    }],
    ['another body, secret or time fails the SDK\'s verification', async (state) => {
        const { body, signature } = state.deliveries[0];
        const secret = state.says.stripe_webhook_secret;
        const wrong = Stripe.errors.StripeSignatureVerificationError;
        assert.throws(() => state.stripe.webhooks.constructEvent(`${body} `, signature, secret), wrong);
        assert.throws(() => state.stripe.webhooks.constructEvent(body, signature, 'whsec_other'), wrong);
        const event = state.events[0].id;
        const before = state.rejected.length;
        const answer = await control(state.says.stripe, 'stripe_deliver', { event, shift_s: -301 });
        assert.equal(answer.status, 400);
        assert.ok(state.rejected.length > before && state.rejected.at(-1) instanceof wrong);
    }],
    ['a bank\'s payment is unpaid until it has come', async (state) => {
        await press(state.other, 'delayed');
        const event = await eventOf(state, 'checkout.session.completed', (object) => object.id === state.other.id);
        assert.equal(event.data.object.payment_status, 'unpaid');
        await control(state.says.stripe, 'stripe_settle', { session: state.other.id });
        const settled = await eventOf(state, 'checkout.session.async_payment_succeeded');
        assert.equal(settled.data.object.id, state.other.id);
        assert.equal((await state.stripe.checkout.sessions.retrieve(state.other.id)).payment_status, 'paid');
    }],
    ['a bank\'s payment that fails leaves the session unpaid', async (state) => {
        const session = await state.stripe.checkout.sessions.create(order);
        await press(session, 'delayed');
        await control(state.says.stripe, 'stripe_settle', { session: session.id, status: 'failed' });
        const event = await eventOf(state, 'checkout.session.async_payment_failed');
        assert.equal(event.data.object.id, session.id);
        assert.equal((await state.stripe.checkout.sessions.retrieve(session.id)).payment_status, 'unpaid');
    }],
    ['a session expires, once', async (state) => {
        const session = await state.stripe.checkout.sessions.create(order);
        const expired = await state.stripe.checkout.sessions.expire(session.id);
        assert.equal(expired.status, 'expired');
        const event = await eventOf(state, 'checkout.session.expired');
        assert.equal(event.data.object.id, session.id);
        const error = await refusal(() => state.stripe.checkout.sessions.expire(session.id));
        assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
    }],
    ['refunds add up in the charge', async (state) => {
        const refund = await state.stripe.refunds.create({ payment_intent: state.paid.payment_intent, amount: 10000 });
        assert.equal(refund.object, 'refund');
        assert.equal(refund.amount, 10000);
        assert.equal(refund.status, 'succeeded');
        const first = await eventOf(state, 'charge.refunded', (object) => object.amount_refunded === 10000);
        assert.equal(first.data.object.payment_intent, state.paid.payment_intent);
        assert.equal(first.data.object.refunded, false);
        await state.stripe.refunds.create({ payment_intent: state.paid.payment_intent });
        const second = await eventOf(state, 'charge.refunded', (object) => object.amount_refunded === 50000);
        assert.equal(second.data.object.refunded, true);
        const error = await refusal(() => state.stripe.refunds.create({ payment_intent: state.paid.payment_intent }));
        assert.equal(error.code, 'charge_already_refunded');
    }],
    ['a dispute is opened and closed', async (state) => {
        await control(state.says.stripe, 'stripe_dispute', { session: state.other.id, amount: 50000 });
        const opened = await eventOf(state, 'charge.dispute.created');
        assert.equal(opened.data.object.object, 'dispute');
        assert.equal(opened.data.object.status, 'needs_response');
        assert.equal(opened.data.object.amount, 50000);
        await control(state.says.stripe, 'stripe_dispute_close', { dispute: opened.data.object.id, status: 'won' });
        const closed = await eventOf(state, 'charge.dispute.closed');
        assert.equal(closed.data.object.id, opened.data.object.id);
        assert.equal(closed.data.object.status, 'won');
    }],
    ['what was not answered with 2xx comes again, as the same event', async (state) => {
        await until('every event is delivered', async () =>
            (await control(state.says.stripe, 'stripe_events')).events.every((event) => event.delivered));
        const { events } = await control(state.says.stripe, 'stripe_events');
        assert.ok(events.every((event) => state.events.some((seen) => seen.id === event.id)));
        state.says.stripe_webhook_secret = 'whsec_other'; /* the listener now refuses */
        const before = state.rejected.length;
        const session = await state.stripe.checkout.sessions.create(order);
        await press(session, 'card');
        await until('two deliveries', () => state.rejected.length >= before + 2);
        const ids = state.deliveries.slice(-2).map((delivery) => JSON.parse(delivery.body).id);
        assert.equal(ids[0], ids[1]);
    }],
];

await judge([], cases);
