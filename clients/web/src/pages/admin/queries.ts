/* What the admins' pages read. */
import { queryOptions } from '@tanstack/react-query';

import { type Schemas, api, dataOf } from '../../api/client';
import { PAGE_ITEMS } from '../../api/queries';

export type CustomerStatus = Schemas['ListCustomersResponse']['customers'][number]['status'];

export interface CustomersAsk {
    page: number;
    search?: string;
    'filters[status]'?: CustomerStatus;
}

export const customersQuery = ({ page, ...narrowed }: CustomersAsk) =>
    queryOptions({
        queryKey: ['admin-customers', page, narrowed],
        queryFn: ({ signal }) => dataOf(api.GET('/admin/customers', { params: { query: { page, limit: PAGE_ITEMS, ...narrowed } }, signal })),
    });

export const customerQuery = (id: string) =>
    queryOptions({
        queryKey: ['admin-customer', id],
        queryFn: ({ signal }) => dataOf(api.GET('/admin/customers/{id}', { params: { path: { id }, header: { 'X-Customer-ID': id } }, signal })),
    });

/** All that admins did, or what they did about one customer. */
export const auditQuery = (page: number, customerId?: string) =>
    queryOptions({
        queryKey: ['audit', customerId ?? 'all', page],
        queryFn: ({ signal }) => dataOf(api.GET('/admin/audit', { params: { query: { page, limit: PAGE_ITEMS, customerId } }, signal })),
        // What was just done is in it.
        staleTime: 0,
    });
