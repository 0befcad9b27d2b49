/* The customer's time zone, as the last answer that names it said. Times are shown in it, wherever the browser is. */
import { useSyncExternalStore } from 'react';

const KEY = 'lotcast.timeZone';
const listeners = new Set<() => void>();
let current = read();

function known(zone: string): boolean {
    try {
        new Intl.DateTimeFormat('en', { timeZone: zone });
        return true;
    } catch {
        return false;
    }
}

function read(): string {
    const kept = localStorage.getItem(KEY);
    return kept !== null && known(kept) ? kept : 'UTC';
}

export function setTimeZone(zone: string): void {
    if (zone === current || !known(zone)) return;
    current = zone;
    localStorage.setItem(KEY, zone);
    listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

export function useTimeZone(): string {
    return useSyncExternalStore(subscribe, () => current);
}
