/* Short news at the page's edge, said to screen readers. From anywhere: showToast(). */
import { CircleAlert, CircleCheck, X } from 'lucide-react';
import { useEffect, useSyncExternalStore } from 'react';

import { ApiError } from '../api/client';
import css from './toast.module.css';

interface Toast {
    id: number;
    tone: 'good' | 'bad';
    text: string;
}

const SHOWN_MS = 6000;
/* More at once than anybody reads. */
const TOASTS_MAX = 4;

const listeners = new Set<() => void>();
let toasts: Toast[] = [];
let lastId = 0;

function change(next: Toast[]): void {
    toasts = next;
    listeners.forEach((listener) => listener());
}

function dismiss(id: number): void {
    change(toasts.filter((toast) => toast.id !== id));
}

/** Shows `text` for six seconds. The same text that is still shown is not shown twice. */
export function showToast(tone: 'good' | 'bad', text: string): void {
    const others = toasts.filter((toast) => toast.text !== text || toast.tone !== tone);
    change([...others, { id: ++lastId, tone, text }].slice(-TOASTS_MAX));
}

/** Takes all of them away: they were for who has left. */
export function clearToasts(): void {
    change([]);
}

/** What a failed query says beside what it shows in its place; nothing where the session ended, which leads elsewhere. */
export function showLoadFailed(error: unknown): void {
    if (!(error instanceof ApiError && error.code === 'AUTH_REQUIRED')) showToast('bad', 'Could not load data');
}

function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

function ToastView({ toast }: { toast: Toast }) {
    useEffect(() => {
        const timer = setTimeout(() => dismiss(toast.id), SHOWN_MS);
        return () => clearTimeout(timer);
    }, [toast.id]);
    const Icon = toast.tone === 'good' ? CircleCheck : CircleAlert;
    return (
        <div className={`${css.toast} ${toast.tone === 'good' ? css.toastGood : css.toastBad}`}>
            <Icon size={18} aria-hidden="true" />
            <span>{toast.text}</span>
            <button type="button" className={css.toastClose} aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
                <X size={15} aria-hidden="true" />
            </button>
        </div>
    );
}

/** Where toasts are shown: once, in the root. */
export function Toasts() {
    const shown = useSyncExternalStore(subscribe, () => toasts);
    return (
        <div className={css.toasts} role="status" aria-live="polite">
            {shown.map((toast) => (
                <ToastView key={toast.id} toast={toast} />
            ))}
        </div>
    );
}
