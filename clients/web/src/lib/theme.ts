/* Light or dark: the system's choice until the user makes one. */
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'lotcast.theme';
const listeners = new Set<() => void>();
const systemDark = matchMedia('(prefers-color-scheme: dark)');
let current = read();

function read(): Theme {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
}

function apply(): void {
    if (current === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = current;
    listeners.forEach((listener) => listener());
}

/** Applies what was chosen before; called once at start. */
export function startTheme(): void {
    systemDark.addEventListener('change', apply);
    apply();
}

export function setTheme(theme: Theme): void {
    current = theme;
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
    apply();
}

function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

export function useTheme(): Theme {
    return useSyncExternalStore(subscribe, () => current);
}

/** Whether the page is dark now; a chart draws itself again when it changes. */
export function useDark(): boolean {
    return useSyncExternalStore(subscribe, () => (current === 'system' ? systemDark.matches : current === 'dark'));
}
