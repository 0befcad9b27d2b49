/* Where the keyboard's focus goes when what had it is disabled, replaced or gone. */
import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react';

function isLost(): boolean {
    return document.activeElement === null || document.activeElement === document.body;
}

/**
 * For a form that is disabled while it is sent: afterwards the focus is on the first field that is wrong, else where
 * it was. The ref is the form's.
 */
export function useFormFocus(pending: boolean): RefObject<HTMLFormElement | null> {
    const form = useRef<HTMLFormElement>(null);
    const before = useRef<HTMLElement | null>(null);
    const waits = useRef(false);
    useLayoutEffect(() => {
        if (!pending) return;
        waits.current = true;
        before.current = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    }, [pending]);
    useEffect(() => {
        if (pending || !waits.current) return;
        waits.current = false;
        const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]');
        if (wrong) wrong.focus();
        else if (isLost() && before.current?.isConnected) before.current.focus();
    }, [pending]);
    return form;
}

/** Focuses the ref's element, which is given a tabIndex of -1, whenever `shown` becomes true. */
export function useFocusWhen<T extends HTMLElement>(shown: boolean): RefObject<T | null> {
    const element = useRef<T>(null);
    useEffect(() => {
        if (shown) element.current?.focus();
    }, [shown]);
    return element;
}

/** When the ref's element goes while it has the focus, the page gets it (its main is the shells'). */
export function useFocusOnLeave<T extends HTMLElement>(): RefObject<T | null> {
    const element = useRef<T>(null);
    useLayoutEffect(() => {
        const shown = element.current;
        return () => {
            if (shown?.contains(document.activeElement)) document.getElementById('main')?.focus({ preventScroll: true });
        };
    }, []);
    return element;
}
