/*
 * The API, by the types that are generated from its own description (schema.d.ts). Every call ends in data or in an
 * ApiError; what all pages do alike about an answer (a session that ended) is done here.
 */
import createClient, { type Middleware } from 'openapi-fetch';

import type { components, paths } from './schema';
import { viewAsId } from '../lib/view-as';

export type Schemas = components['schemas'];

/** An answer that is not the one asked for. */
export class ApiError extends Error {
    constructor(
        /** HTTP's status; 0: no answer came. */
        readonly status: number,
        /** Stable, of the contract; NETWORK: no answer came. */
        readonly code: string,
        /** For people. */
        message: string,
        readonly details: Record<string, unknown> = {},
        /** When to try again, in seconds; undefined: it was not said. */
        readonly retryAfter?: number,
    ) {
        super(message);
        this.name = 'ApiError';
    }

    /** The field that is wrong, by its path ("user.email"). */
    get field(): string | undefined {
        return typeof this.details.field === 'string' ? this.details.field : undefined;
    }
}

const NO_ANSWER = 'Lotcast could not be reached. Check your connection and try again.';
const NO_REASON = 'Something went wrong on our side. Try again in a moment.';

/** What the answer says went wrong. Never throws. */
export async function errorOf(response: Response): Promise<ApiError> {
    const retryAfter = Number(response.headers.get('retry-after')) || undefined;
    try {
        const { error } = (await response.json()) as { error: { code: string; message: string; details?: Record<string, unknown> } };
        return new ApiError(response.status, error.code, error.message, error.details, retryAfter);
    } catch {
        return new ApiError(response.status, 'INTERNAL', NO_REASON, {}, retryAfter);
    }
}

let onSessionEnd: () => void = () => {};

/** Calls `listener` whenever an answer says that there is no session (any more). There is one listener: the router's. */
export function onUnauthorized(listener: () => void): void {
    onSessionEnd = listener;
}

/** fetch(), with what all of our calls have: the customer whom an admin looks at, and errors as ApiError. */
export async function send(request: Request): Promise<Response> {
    const customer = viewAsId();
    // A call that names a customer itself stays with that one.
    const viewed = customer !== null && new URL(request.url).pathname.startsWith('/api/customer/') && !request.headers.has('X-Customer-ID');
    if (viewed) request.headers.set('X-Customer-ID', customer);
    let response: Response;
    try {
        response = await fetch(request);
    } catch (error) {
        if (request.signal.aborted) throw error;
        throw new ApiError(0, 'NETWORK', NO_ANSWER);
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.code === 'AUTH_REQUIRED') onSessionEnd();
    throw error;
}

const json: Middleware = {
    onRequest({ request }) {
        // A write is JSON even where it says nothing.
        if (request.method !== 'GET') request.headers.set('Content-Type', 'application/json');
        request.headers.set('Accept', 'application/json');
        return request;
    },
};

export const api = createClient<paths>({
    fetch: send,
    querySerializer: (query) => {
        const search = new URLSearchParams();
        for (const [name, value] of Object.entries(query ?? {})) {
            if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
        }
        return search.toString();
    },
});
api.use(json);

/** The data of a call that succeeded; send() has thrown for every other. */
export async function dataOf<T>(call: Promise<{ data?: T }>): Promise<T> {
    return (await call).data as T;
}
