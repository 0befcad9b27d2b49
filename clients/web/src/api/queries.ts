/*
 * What the pages read, with the time for which it may be shown without asking again (data-flows.md, "Data Caching
 * Strategy"). A refetch that finds nothing new is answered 304 and costs next to nothing.
 */
import { QueryClient, notifyManager, queryOptions } from '@tanstack/react-query';

import { ApiError, api, dataOf } from './client';
import { setTimeZone } from '../lib/time-zone';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

export const DASHBOARD_REFRESH_MS = MINUTE_MS;
export const SYNC_POLL_MS = 3 * SECOND_MS;
export const INVENTORY_STALE_MS = 5 * MINUTE_MS;
export const PAGE_ITEMS = 50;

// What began is shown before the next click counts: a form that was sent is disabled by then.
notifyManager.setScheduler(queueMicrotask);

export const queryClient = new QueryClient({
    defaultOptions: {
        queries: {
            // Offline is an error that can be seen and tried again, not a page that loads for ever.
            networkMode: 'always',
            staleTime: MINUTE_MS,
            // A service that restarts says when it is back; any other failure is the user's to retry.
            retry: (count, error) => count < 1 && error instanceof ApiError && error.status === 503,
            retryDelay: (_count, error) => (error instanceof ApiError ? (error.retryAfter ?? 1) * SECOND_MS : SECOND_MS),
        },
        mutations: { networkMode: 'always' },
    },
});

export const sessionQuery = queryOptions({
    queryKey: ['session'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/auth/session', { signal })),
});

export const dashboardQuery = queryOptions({
    queryKey: ['dashboard'],
    queryFn: async ({ signal }) => {
        const dashboard = await dataOf(api.GET('/api/customer/dashboard', { signal }));
        setTimeZone(dashboard.timeZone);
        return dashboard;
    },
});

export const adsQuery = queryOptions({
    queryKey: ['ads'],
    queryFn: async ({ signal }) => {
        const ads = await dataOf(api.GET('/api/customer/ads', { signal }));
        setTimeZone(ads.timeZone);
        return ads;
    },
});

export const syncStatusQuery = queryOptions({
    queryKey: ['sync-status'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/customer/ads/sync/status', { signal })),
    staleTime: 0,
});

export const settingsQuery = queryOptions({
    queryKey: ['settings'],
    queryFn: async ({ signal }) => {
        const settings = await dataOf(api.GET('/api/customer/settings', { signal }));
        setTimeZone(settings.user.timeZone);
        return settings;
    },
    // Until they are saved, also while no page shows them.
    staleTime: Infinity,
    gcTime: Infinity,
});

export const scanStatusQuery = queryOptions({
    queryKey: ['scan-status'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/customer/settings/scan-status', { signal })),
    staleTime: 0,
});

export const metaAccountsQuery = queryOptions({
    queryKey: ['meta-accounts'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/auth/meta/accounts', { signal })),
    staleTime: 0,
});

export type Period = '7d' | '30d' | '90d';

export const performanceQuery = (period: Period) =>
    queryOptions({
        queryKey: ['performance', period],
        queryFn: ({ signal }) => dataOf(api.GET('/api/customer/performance', { params: { query: { period } }, signal })),
    });

export interface InventoryAsk {
    page: number;
    search?: string;
    sort?: 'price' | '-price' | 'title' | '-title';
    'filters[inStock]'?: boolean;
}

export const inventoryQuery = ({ page, ...narrowed }: InventoryAsk) =>
    queryOptions({
        queryKey: ['inventory', page, narrowed],
        queryFn: ({ signal }) => dataOf(api.GET('/api/customer/inventory', { params: { query: { page, limit: PAGE_ITEMS, ...narrowed } }, signal })),
        staleTime: INVENTORY_STALE_MS,
    });

export const billingQuery = (sessionId?: string) =>
    queryOptions({
        queryKey: ['billing'],
        queryFn: async ({ signal }) => {
            const billing = await dataOf(api.GET('/api/customer/billing', { params: { query: { sessionId } }, signal }));
            setTimeZone(billing.timeZone);
            return billing;
        },
    });

export const packagesQuery = queryOptions({
    queryKey: ['packages'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/customer/billing/packages', { signal })),
    staleTime: Infinity,
    gcTime: Infinity,
});

/** The user's own; for an admin those of the customer of this id. */
export const ledgerQuery = (page: number, customerId?: string) =>
    queryOptions({
        queryKey: ['ledger', customerId ?? 'own', page],
        queryFn: ({ signal }) => dataOf(api.GET('/api/customer/billing/ledger', { params: { query: { page }, header: { 'X-Customer-ID': customerId } }, signal })),
    });

export const announcementsQuery = queryOptions({
    queryKey: ['announcements'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/customer/announcements', { signal })),
});
