/*
 * An admin looks at a customer's pages, read only. Which customer is kept for the tab alone, so that another tab of
 * the same admin may look at another customer.
 */
import { useSyncExternalStore } from 'react';

export interface ViewAs {
    id: string;
    company: string;
}

const KEY = 'lotcast.viewAs';
const listeners = new Set<() => void>();
let current: ViewAs | null = read();

function read(): ViewAs | null {
    try {
        const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as ViewAs | null;
        return kept !== null && typeof kept.id === 'string' && typeof kept.company === 'string' ? kept : null;
    } catch {
        return null;
    }
}

export function viewAsId(): string | null {
    return current?.id ?? null;
}

/** Null ends it. The caller clears what was fetched for another customer. */
export function setViewAs(customer: ViewAs | null): void {
    current = customer;
    if (customer === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(customer));
    listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

/** The customer whom an admin looks at; null: the user's own pages. All that would write is disabled meanwhile. */
export function useViewAs(): ViewAs | null {
    return useSyncExternalStore(subscribe, () => current);
}
