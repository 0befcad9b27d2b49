/* A list's search box, whose text is in the address: kept by a reload, by Back and by a link. */
import { useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'react-router-dom';

const DEBOUNCE_MS = 300;

/**
 * The address's parameters, and a way to change some of them (undefined: leaves one out). A change other than that of
 * the page begins at the first page again.
 */
export function useListParams(): [URLSearchParams, (changes: Record<string, string | undefined>) => void] {
    const [params, setParams] = useSearchParams();
    const set = (changes: Record<string, string | undefined>) => {
        const next = new URLSearchParams(params);
        for (const [name, value] of Object.entries({ page: undefined, ...changes })) {
            if (value === undefined || value === '') next.delete(name);
            else next.set(name, value);
        }
        const paged = 'page' in changes;
        setParams(next, { replace: !paged, preventScrollReset: !paged });
    };
    return [params, set];
}

/** From 1; what is no page number is 1. */
export function pageOf(params: URLSearchParams): number {
    const page = Number(params.get('page'));
    return Number.isInteger(page) && page >= 1 ? page : 1;
}

/** The text of a search box, and `apply` called with it once nothing was typed for 300 ms. */
export function useDebouncedText(applied: string, apply: (text: string) => void): [string, (text: string) => void] {
    const [text, setText] = useState(applied);
    const latest = useRef(apply);
    latest.current = apply;
    const ours = useRef(applied);
    useEffect(() => {
        // Changed from elsewhere: Back, "Clear the search".
        if (applied !== ours.current) {
            ours.current = applied;
            setText(applied);
        }
    }, [applied]);
    useEffect(() => {
        if (text.trim() === ours.current) return;
        const timer = setTimeout(() => {
            ours.current = text.trim();
            latest.current(text.trim());
        }, DEBOUNCE_MS);
        return () => clearTimeout(timer);
    }, [text]);
    return [text, setText];
}
