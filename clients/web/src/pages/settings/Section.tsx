import { type ReactNode, useId } from 'react';

import css from './settings.module.css';

/** A group of settings: what it is about, and beside it (on small screens below) what can be set. */
export function Section({ title, note, children }: { title: ReactNode; note?: ReactNode; children: ReactNode }) {
    const id = useId();
    return (
        <section className={css.section} aria-labelledby={id}>
            <div className={css.about}>
                <h2 id={id}>{title}</h2>
                {note !== undefined && <div className="muted small">{note}</div>}
            </div>
            <div className="stack">{children}</div>
        </section>
    );
}
