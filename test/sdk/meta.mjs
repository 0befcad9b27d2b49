/*
 * Meta's own SDK, unmodified but for the address, as the judge of the stand-in of the Graph API:
 * all that clients/meta uses, and the errors as the SDK shows them.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { control, judge, refusal, sdk, until } from './harness.mjs';

const { FacebookAdsApi, User, Business, AdAccount, ProductCatalog, Campaign, AdSet, AdCreative, Ad } =
    sdk('facebook-nodejs-business-sdk');

const BACK = 'http://127.0.0.1/api/auth/meta/callback';
const STATE = 'a state & more';
const SCOPES = [
    'ads_management', 'ads_read', 'business_management', 'catalog_management', 'pages_show_list', 'pages_read_engagement',
];
const HISTORY_DAYS = 30;
const CLOCK = '2026-02-06T20:00:00Z';

const placements = {
    publisher_platforms: ['facebook', 'instagram'],
    facebook_positions: ['feed', 'facebook_reels'],
    instagram_positions: ['stream', 'reels'],
};
const targeting = {
    geo_locations: { countries: ['US', 'CA'] },
    age_min: 25,
    age_max: 65,
    targeting_automation: { advantage_audience: 0 },
    ...placements,
};

/* An API that does not become the default one, and reports no crash to anybody. */
const apiOf = (token) => new FacebookAdsApi(token, 'en_US', false);

/* As a person at the dialog: where it leads. */
async function atDialog(state, decision, extra = '') {
    const query = new URLSearchParams({
        client_id: state.says.app_id, redirect_uri: BACK, state: STATE, scope: SCOPES.join(','), response_type: 'code',
    });
    const dialog = `${state.says.dialog}/${FacebookAdsApi.VERSION}/dialog/oauth`;
    assert.equal((await fetch(`${dialog}?${query}`)).status, 200);
    const answer = await fetch(`${dialog}/confirm?${query}&decision=${decision}${extra}`, { redirect: 'manual' });
    assert.equal(answer.status, 302);
    const back = new URL(answer.headers.get('location'));
    assert.equal(`${back.origin}${back.pathname}`, BACK);
    assert.equal(back.searchParams.get('state'), STATE);
    return back.searchParams;
}

const exchange = (state, params) =>
    apiOf(state.appToken).call('GET', ['oauth', 'access_token'], {
        client_id: state.says.app_id, client_secret: state.says.app_secret, ...params,
    });

const debug = (state, token) => apiOf(state.appToken).call('GET', ['debug_token'], { input_token: token });

async function connect(state, extra) {
    const code = (await atDialog(state, 'authorize', extra)).get('code');
    return (await exchange(state, { code, redirect_uri: BACK })).access_token;
}

/* All rows of a cursor, and how many pages there were. */
async function walk(cursor) {
    const rows = [...cursor];
    let pages = 1;
    for (; cursor.hasNext(); pages++) rows.push(...(await cursor.next()));
    return { rows, pages };
}

/* What the SDK makes of an error of Meta's. */
function assertError(error, status, code, subcode) {
    assert.equal(error.name, 'FacebookRequestError');
    assert.equal(error.status, status, error.message);
    assert.equal(error.response.type, 'OAuthException');
    assert.equal(error.response.code, code, error.message);
    assert.equal(error.response.error_subcode, subcode, error.message);
    assert.ok(error.message.length > 0 && error.response.fbtrace_id.length > 0);
}

const product = (id, more = {}) => ({
    method: 'UPDATE',
    data: {
        id: String(id), title: `2024 Honda Civic ${id} – “LX”`, description: 'A car', link: `http://127.0.0.1/cars/${id}`,
        image: [{ url: `http://127.0.0.1/cars/${id}.jpg` }], price: '28000.00 USD', availability: 'in stock',
        condition: 'used', brand: 'Honda', ...more,
    },
});

const vehicle = (id) => ({
    method: 'UPDATE',
    data: {
        vehicle_id: String(id), vin: '1HGCM82633A004352', make: 'Honda', model: 'Civic', year: 2024,
        mileage: { value: 12000, unit: 'MI' }, body_style: 'SEDAN', price: '28000.00 USD',
        image: [{ url: 'http://127.0.0.1/1.jpg' }], url: 'http://127.0.0.1/cars/1', title: '2024 Honda Civic',
        description: 'A car', address: { addr1: '1 Main St', city: 'Springfield', region: 'IL', country: 'US' },
        state_of_vehicle: 'USED', availability: 'AVAILABLE',
    },
});

/* Sends a batch and waits until it is finished. */
async function batch(catalog, item_type, requests) {
    const sent = await catalog.createItemsBatch([], { item_type, allow_upsert: true, requests });
    assert.equal(sent.handles.length, 1);
    const status = await until('the batch', async () => {
        const [row] = await catalog.getCheckBatchRequestStatus([], {
            handle: sent.handles[0], load_ids_of_invalid_requests: true,
        });
        assert.ok(['scheduled', 'dispatched', 'started', 'finished'].includes(row.status));
        return row.status === 'finished' && row;
    });
    return { sent, status };
}

async function products(catalog) {
    const { rows } = await walk(await catalog.getProducts(['id', 'retailer_id', 'availability', 'errors'], { limit: 100 }));
    return rows.map((row) => row.retailer_id);
}

const fields = ['impressions', 'clicks', 'reach', 'frequency', 'ctr', 'cpc', 'cpm', 'spend'];

const connecting = [
    ['declining at the dialog leads back with the reason', async (state) => {
        Object.defineProperty(FacebookAdsApi, 'GRAPH', { get: () => state.says.meta });
        state.appToken = `${state.says.app_id}|${state.says.app_secret}`;
        const back = await atDialog(state, 'cancel');
        assert.equal(back.get('error'), 'access_denied');
        assert.equal(back.get('error_reason'), 'user_denied');
        assert.equal(back.get('code'), null);
    }],
    ['a code is exchanged once, for its redirect_uri alone', async (state) => {
        const code = (await atDialog(state, 'authorize')).get('code');
        assertError(await refusal(() => exchange(state, { code, redirect_uri: `${BACK}/` })), 400, 100, 36008);
        const answer = await exchange(state, { code, redirect_uri: BACK });
        assert.equal(answer.token_type, 'bearer');
        assert.ok(answer.expires_in > 0 && answer.expires_in <= 7200);
        assertError(await refusal(() => exchange(state, { code, redirect_uri: BACK })), 400, 100, 36009);
        state.short = answer.access_token;
    }],
    ['a wrong secret exchanges nothing', async (state) => {
        const code = (await atDialog(state, 'authorize')).get('code');
        const error = await refusal(() => exchange(state, { code, redirect_uri: BACK, client_secret: 'guess' }));
        assert.equal(error.status, 400);
        assert.equal(error.response.code, 1);
    }],
    ['a token is made to last 60 days', async (state) => {
        const answer = await exchange(state, { grant_type: 'fb_exchange_token', fb_exchange_token: state.short });
        assert.equal(answer.expires_in, 60 * 86400);
        state.api = FacebookAdsApi.init(answer.access_token, 'en_US', false);
    }],
    ['debug_token knows whose it is and what it may', async (state) => {
        const { data } = await debug(state, state.api.accessToken);
        assert.equal(data.app_id, state.says.app_id);
        assert.equal(data.is_valid, true);
        assert.ok(SCOPES.every((scope) => data.scopes.includes(scope)));
        assert.ok(data.expires_at > data.issued_at);
        state.userId = data.user_id;
        assert.equal((await debug(state, 'EAASnone')).data.is_valid, false);
        assert.equal((await state.api.getAppID()).data.data.app_id, state.says.app_id);
    }],
    ['a scope that was declined is not there, and its calls are refused', async (state) => {
        const token = await connect(state, '&choose=1&grant_ads_read=1');
        assert.deepEqual((await debug(state, token)).data.scopes, ['ads_read', 'public_profile']);
        const me = new User('me', {}, undefined, apiOf(token));
        assertError(await refusal(() => me.getBusinesses(['id'])), 403, 200, undefined);
        const permissions = await me.getPermissions([]);
        assert.equal(permissions.find((row) => row.permission === 'ads_read').status, 'granted');
        assert.equal(permissions.find((row) => row.permission === 'ads_management').status, 'declined');
    }],
    ['appsecret_proof is checked', async (state) => {
        const proof = (secret) => createHmac('sha256', secret).update(state.api.accessToken).digest('hex');
        const me = await new User('me').read(['id', 'name'], { appsecret_proof: proof(state.says.app_secret) });
        assert.equal(me.id, state.userId);
        assert.equal(me.name, 'Jane Doe');
        assertError(await refusal(() => new User('me').read(['id'], { appsecret_proof: proof('guess') })), 400, 100, undefined);
    }],
    ['ad accounts, Pages and businesses come over all pages, forth and back', async (state) => {
        const me = new User('me');
        const first = await me.getAdAccounts(
            ['id', 'account_id', 'name', 'currency', 'timezone_name', 'account_status', 'business{id,name}'], { limit: 2 });
        const accounts = await walk(first);
        assert.ok(accounts.pages > 1);
        assert.equal(accounts.rows.length, 3);
        assert.ok(accounts.rows.every((row) => row.id === `act_${row.account_id}`));
        assert.ok(first.hasPrevious());
        assert.deepEqual((await first.previous()).map((row) => row.id), accounts.rows.slice(0, 2).map((row) => row.id));
        const usable = accounts.rows.find((row) => row.account_status === 1 && row.currency === 'USD');
        state.account = new AdAccount(usable.id);
        state.closed = new AdAccount(accounts.rows.find((row) => row.account_status === 2).id);
        const pages = await walk(await me.getAccounts(['id', 'name']));
        assert.equal(pages.rows.length, 3);
        state.page = pages.rows[0].id;
        const { rows: businesses } = await walk(await me.getBusinesses(['id', 'name']));
        assert.deepEqual(businesses.map((row) => row.name), ['Acme Ads']);
        state.business = new Business(businesses[0].id);
    }],
];

const catalogs = [
    ['a catalog is made and found again', async (state) => {
        const made = await state.business.createOwnedProductCatalog(['id'], { name: 'Lotcast 1', vertical: 'commerce' });
        const { rows } = await walk(await state.business.getOwnedProductCatalogs(['id', 'name', 'vertical']));
        assert.deepEqual(rows.map((row) => [row.id, row.name, row.vertical]), [[made.id, 'Lotcast 1', 'commerce']]);
        state.catalog = new ProductCatalog(made.id);
    }],
    ['a batch is finished some time later, and the items are there', async (state) => {
        const { sent, status } = await batch(state.catalog, 'PRODUCT_ITEM', Array.from({ length: 23 }, (_, at) => product(at + 1)));
        assert.deepEqual(sent.validation_status, []);
        assert.equal(status.errors_total_count, 0);
        assert.deepEqual(status.ids_of_invalid_requests, []);
        assert.equal((await products(state.catalog)).length, 23);
        const catalog = await state.catalog.read(['name', 'product_count']);
        assert.equal(catalog.product_count, 23);
    }],
    ['what is wrong with an item is said of that item, the others are taken', async (state) => {
        const { sent, status } = await batch(state.catalog, 'PRODUCT_ITEM', [product(24), product(25, { price: 'cheap' })]);
        assert.deepEqual(sent.validation_status.map((row) => row.retailer_id), ['25']);
        assert.ok(sent.validation_status[0].errors[0].message.includes('price'));
        assert.deepEqual(status.ids_of_invalid_requests, ['25']);
        const ids = await products(state.catalog);
        assert.ok(ids.includes('24') && !ids.includes('25'));
    }],
    ['a finished batch may hold errors of items', async (state) => {
        await control(state.says.meta, 'refuse', { retailer_id: '26', message: 'The image is too small' });
        const { status } = await batch(state.catalog, 'PRODUCT_ITEM', [product(26), product(27)]);
        assert.equal(status.errors_total_count, 1);
        assert.deepEqual(status.errors.map((row) => [row.line, row.id, row.message]), [[1, '26', 'The image is too small']]);
    }],
    ['an item is deleted by its id alone', async (state) => {
        const { status } = await batch(state.catalog, 'PRODUCT_ITEM', [{ method: 'DELETE', data: { id: '27' } }]);
        assert.equal(status.errors_total_count, 0);
        assert.ok(!(await products(state.catalog)).includes('27'));
    }],
    ['vehicles go into a catalog of vehicles', async (state) => {
        const made = await state.business.createOwnedProductCatalog(['id'], { name: 'Lotcast 2', vertical: 'vehicles' });
        const catalog = new ProductCatalog(made.id);
        const { sent, status } = await batch(catalog, 'VEHICLE', [vehicle(1)]);
        assert.deepEqual(sent.validation_status, []);
        assert.equal(status.errors_total_count, 0);
        assert.deepEqual(await products(catalog), ['1']);
    }],
    ['a batch that is too large gets error 1, one beyond the limit 100', async (state) => {
        await control(state.says.meta, 'batches', { items_max: 2 });
        const send = (count) => state.catalog.createItemsBatch([], {
            item_type: 'PRODUCT_ITEM', allow_upsert: true,
            requests: Array.from({ length: count }, (_, at) => product(at + 1)),
        });
        const error = await refusal(() => send(3));
        assertError(error, 500, 1, undefined);
        assert.match(error.message, /reduce the amount of data/);
        await control(state.says.meta, 'batches', { items_max: 5000 });
        assertError(await refusal(() => send(5001)), 400, 100, undefined);
    }],
    ['a product set is made and counts what it takes', async (state) => {
        await batch(state.catalog, 'PRODUCT_ITEM', [product(3, { availability: 'out of stock' })]);
        const made = await state.catalog.createProductSet(['id'], { name: 'In stock', filter: { availability: { eq: 'in stock' } } });
        const { rows } = await walk(await state.catalog.getProductSets(['id', 'name', 'product_count']));
        assert.deepEqual(rows.map((row) => [row.id, row.name, row.product_count]), [[made.id, 'In stock', 23]]);
        state.set = made.id;
    }],
];

const campaigns = [
    ['campaign, ad set, creative and ad are made, paused', async (state) => {
        const campaign = await state.account.createCampaign(['id'], {
            name: 'Lotcast campaign', objective: 'OUTCOME_SALES', status: 'PAUSED', special_ad_categories: [],
            is_adset_budget_sharing_enabled: false, promoted_object: { product_catalog_id: state.catalog.id },
        });
        state.adSetParams = {
            campaign_id: campaign.id, name: 'Lotcast ad set', daily_budget: 8333, billing_event: 'IMPRESSIONS',
            optimization_goal: 'LINK_CLICKS', bid_strategy: 'LOWEST_COST_WITHOUT_CAP',
            promoted_object: { product_set_id: state.set }, targeting, status: 'PAUSED',
        };
        const adSet = await state.account.createAdSet(['id'], state.adSetParams);
        const creative = await state.account.createAdCreative(['id'], {
            name: 'Lotcast creative', product_set_id: state.set,
            object_story_spec: {
                page_id: state.page,
                template_data: {
                    call_to_action: { type: 'SHOP_NOW' }, link: 'http://127.0.0.1/', message: 'Come & see',
                    name: '{{product.name}}',
                },
            },
        });
        const ad = await state.account.createAd(['id'], {
            name: 'Lotcast ad', adset_id: adSet.id, creative: { creative_id: creative.id }, status: 'PAUSED',
        });
        Object.assign(state, {
            campaign: new Campaign(campaign.id), adSet: new AdSet(adSet.id),
            creative: new AdCreative(creative.id), ad: new Ad(ad.id),
        });
        assert.equal((await state.ad.read(['effective_status'])).effective_status, 'PAUSED');
    }],
    ['each is found by its name', async (state) => {
        const byName = (value) => ({ filtering: [{ field: 'name', operator: 'EQUAL', value }] });
        for (const [list, object, name] of [
            ['getCampaigns', state.campaign, 'Lotcast campaign'], ['getAdSets', state.adSet, 'Lotcast ad set'],
            ['getAdCreatives', state.creative, 'Lotcast creative'], ['getAds', state.ad, 'Lotcast ad'],
        ]) {
            const { rows } = await walk(await state.account[list](['id', 'name'], byName(name)));
            assert.deepEqual(rows.map((row) => [row.id, row.name]), [[object.id, name]], list);
            assert.deepEqual((await walk(await state.account[list](['id'], byName('nobody')))).rows, [], list);
        }
    }],
    ['they are read back as they were made', async (state) => {
        const adSet = await state.adSet.read(['campaign_id', 'daily_budget', 'targeting', 'promoted_object', 'optimization_goal']);
        assert.equal(adSet.campaign_id, state.campaign.id);
        assert.equal(adSet.daily_budget, '8333');
        assert.deepEqual(adSet.targeting, targeting);
        assert.deepEqual(adSet.promoted_object, { product_set_id: state.set });
        const creative = await state.creative.read(['object_story_spec', 'product_set_id']);
        assert.equal(creative.object_story_spec.template_data.message, 'Come & see');
        const ad = await state.ad.read(['adset_id', 'campaign_id', 'creative']);
        assert.equal(ad.adset_id, state.adSet.id);
        assert.equal(ad.campaign_id, state.campaign.id);
        assert.deepEqual((await state.campaign.getAdSets(['id'])).map((row) => row.id), [state.adSet.id]);
        assert.deepEqual((await state.adSet.getAds(['id'])).map((row) => row.id), [state.ad.id]);
    }],
    ['from the ad up they become active, and only then deliver', async (state) => {
        const activate = async (object) => assert.deepEqual(await object.update([], { status: 'ACTIVE' }), { success: true });
        const effective = async (object) => (await object.read(['effective_status'])).effective_status;
        await activate(state.ad);
        assert.equal(await effective(state.ad), 'ADSET_PAUSED');
        await activate(state.adSet);
        assert.equal(await effective(state.ad), 'CAMPAIGN_PAUSED');
        assert.equal((await state.campaign.getInsights(fields, { date_preset: 'maximum' })).length, 0);
        await activate(state.campaign);
        assert.equal(await effective(state.ad), 'ACTIVE');
        assert.equal(await effective(state.campaign), 'ACTIVE');
    }],
    ['budget and targeting of an ad set change, and nothing else', async (state) => {
        const narrower = { ...targeting, geo_locations: { countries: ['US'] }, age_min: 30 };
        assert.deepEqual(await new AdSet(state.adSet.id).update([], { daily_budget: 5000, targeting: narrower }), { success: true });
        const adSet = await new AdSet(state.adSet.id).read(['name', 'daily_budget', 'targeting', 'status']);
        assert.deepEqual([adSet.name, adSet.daily_budget, adSet.status], ['Lotcast ad set', '5000', 'ACTIVE']);
        assert.deepEqual(adSet.targeting, narrower);
        assertError(await refusal(() => new AdSet(state.adSet.id).update([], { daily_budget: 1 })), 400, 100, 1885272);
    }],
    ['what does not fit is refused with 100 and a subcode', async (state) => {
        const create = (more) => () => state.account.createAdSet(['id'], { ...state.adSetParams, ...more });
        assertError(await refusal(create({ targeting: { age_min: 25 } })), 400, 100, 1885364);
        assertError(await refusal(create({ targeting: { ...targeting, targeting_automation: {}, age_max: 60 } })), 400, 100, 1870189);
        assertError(await refusal(create({ promoted_object: { product_set_id: '1' } })), 400, 100, 1487133);
        assertError(await refusal(create({ optimization_goal: 'FAME' })), 400, 100, undefined);
        const named = { name: 'x', objective: 'OUTCOME_SALES', special_ad_categories: [] };
        assertError(await refusal(() => state.account.createCampaign(['id'], named)), 400, 100, 4834011);
        assertError(await refusal(() => state.closed.createCampaign(['id'], named)), 400, 2641, 1487246);
    }],
    ['what is not there is 100 with subcode 33, an unknown field 100', async (state) => {
        assertError(await refusal(() => new Campaign('120210000000999999').read(['id'])), 400, 100, 33);
        assertError(await refusal(() => new Campaign(state.campaign.id).read(['color'])), 400, 100, undefined);
    }],
];

const figures = [
    ['days come as rows of strings, over all pages', async (state) => {
        const { rows, pages } = await walk(await state.campaign.getInsights(fields, {
            time_range: { since: '2026-01-07', until: '2026-02-05' }, time_increment: 1, level: 'campaign',
        }));
        assert.equal(rows.length, HISTORY_DAYS);
        assert.ok(pages > 1);
        assert.equal(rows[0].date_start, '2026-01-07');
        assert.ok(rows.every((row) => row.date_start === row.date_stop));
        assert.ok(rows.every((row) => fields.every((field) => typeof row[field] === 'string')));
        state.daily = rows;
    }],
    ['the period\'s figures add up but for the reach', async (state) => {
        const [total] = await state.campaign.getInsights(fields, {
            time_range: { since: '2026-01-07', until: '2026-02-05' }, level: 'campaign',
        });
        const sum = (field) => state.daily.reduce((all, row) => all + Number(row[field]), 0);
        assert.equal(Number(total.impressions), sum('impressions'));
        assert.equal(Number(total.clicks), sum('clicks'));
        assert.equal(Number(total.spend).toFixed(2), sum('spend').toFixed(2));
        assert.ok(Number(total.reach) < sum('reach'));
    }],
    ['items have their figures, and the lifetime has its own', async (state) => {
        const { rows } = await walk(await state.campaign.getInsights(fields, {
            breakdowns: ['product_id'], date_preset: 'maximum', level: 'campaign',
        }));
        assert.ok(rows.length > 0);
        assert.ok(rows.every((row) => /^\d+, /.test(row.product_id)));
        const [lifetime] = await state.campaign.getInsights(fields, { date_preset: 'maximum' });
        assert.ok(Number(lifetime.impressions) >= state.daily.reduce((all, row) => all + Number(row.impressions), 0));
    }],
    ['a wrong range, a field or a breakdown that there is not are refused', async (state) => {
        const ask = (names, params) => () => state.campaign.getInsights(names, params);
        assertError(await refusal(ask(fields, { time_range: { since: '2026-02-05', until: '2026-01-07' } })), 400, 100, undefined);
        assertError(await refusal(ask(fields, { time_range: { since: '2020-01-01', until: '2026-01-07' } })), 400, 3018, undefined);
        assertError(await refusal(ask(['fame'], {})), 400, 100, undefined);
        assertError(await refusal(ask(fields, { breakdowns: ['fame'] })), 400, 100, undefined);
    }],
    ['pausing the campaign pauses what is below it', async (state) => {
        assert.deepEqual(await new Campaign(state.campaign.id).update([], { status: 'PAUSED' }), { success: true });
        assert.equal((await new Campaign(state.campaign.id).read(['effective_status'])).effective_status, 'PAUSED');
        assert.equal((await state.ad.read(['effective_status'])).effective_status, 'CAMPAIGN_PAUSED');
    }],
    ['an ad is deleted', async (state) => {
        const ad = await state.account.createAd(['id'], {
            name: 'Another ad', adset_id: state.adSet.id, creative: { creative_id: state.creative.id }, status: 'PAUSED',
        });
        assert.deepEqual(await new Ad(ad.id).delete([]), { success: true });
        assert.deepEqual((await walk(await state.account.getAds(['id']))).rows.map((row) => row.id), [state.ad.id]);
    }],
];

const trouble = [
    ['the usage headers can be read', async (state) => {
        const api = apiOf(state.api.accessToken).setShowHeader(true);
        const { headers } = await api.call('GET', ['me'], { fields: 'id' });
        assert.equal(typeof JSON.parse(headers['x-app-usage']).call_count, 'number');
        const [[use]] = Object.values(JSON.parse(headers['x-business-use-case-usage']));
        assert.equal(use.type, 'ads_management');
        assert.equal(typeof use.estimated_time_to_regain_access, 'number');
    }],
    ['too many calls are throttled, and the headers say for how long', async (state) => {
        await control(state.says.meta, 'usage', { percent: 100 });
        const error = await refusal(() => new Campaign(state.campaign.id).read(['status']));
        assertError(error, 400, 80004, 2446079);
        const [[use]] = Object.values(JSON.parse(error.headers['x-business-use-case-usage']));
        assert.ok(use.call_count >= 100 && use.estimated_time_to_regain_access > 0);
        await control(state.says.meta, 'usage', { percent: 7 });
    }],
    ['a passing failure says so', async (state) => {
        const error = { message: 'An unexpected error has occurred', type: 'OAuthException', code: 2, is_transient: true, fbtrace_id: 'A' };
        await control(state.says.meta, 'fail', { service: 'meta', path: state.campaign.id, status: 500, error });
        const seen = await refusal(() => new Campaign(state.campaign.id).read(['status']));
        assertError(seen, 500, 2, undefined);
        assert.equal(seen.response.is_transient, true);
    }],
    ['a connection that is lost leaves no status', async (state) => {
        await control(state.says.meta, 'fail', { service: 'meta', path: state.campaign.id, drop: 'before' });
        const error = await refusal(() => new Campaign(state.campaign.id).read(['status']));
        assert.equal(error.name, 'FacebookRequestError');
        assert.equal(error.status, null);
    }],
    ['no version but ours is served, no token none of the data', async (state) => {
        const old = await refusal(() => state.api.call('GET', `${state.says.meta}/v1.0/me?access_token=${state.api.accessToken}`));
        assertError(old, 400, 2635, undefined);
        assertError(await refusal(() => state.api.call('GET', `${state.says.meta}/v24.0/me`)), 400, 2500, undefined);
        const me = (token) => new User('me', {}, undefined, apiOf(token)).read(['id']);
        assertError(await refusal(() => me('EAASnone')), 400, 190, undefined);
        assertError(await refusal(() => me(`${state.says.app_id}|guess`)), 400, 190, undefined);
    }],
    ['revoked, every token is dead: 190 with subcode 458', async (state) => {
        assert.deepEqual(await new User('me').deletePermissions(), { success: true });
        assertError(await refusal(() => new User('me').read(['id'])), 400, 190, 458);
        assert.equal((await debug(state, state.api.accessToken)).data.is_valid, false);
    }],
    ['a token that has expired: 190 with subcode 463', async (state) => {
        const api = apiOf(await connect(state));
        assert.equal((await new User('me', {}, undefined, api).read(['id'])).id, state.userId);
        await control(state.says.meta, 'clock', { advance_s: 7201 });
        assertError(await refusal(() => new User('me', {}, undefined, api).read(['id'])), 400, 190, 463);
    }],
];

await judge(
    ['--clock', CLOCK, '--history-days', String(HISTORY_DAYS), '--batch-ms', '60'],
    [...connecting, ...catalogs, ...campaigns, ...figures, ...trouble],
);
