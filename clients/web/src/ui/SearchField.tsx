import { Search, X } from 'lucide-react';
import { useRef } from 'react';

import { IconButton } from '.';
import css from './ui.module.css';

/** A search box: Escape or the cross empties it. */
export function SearchField({ label, placeholder, value, onChange }: { label: string; placeholder: string; value: string; onChange: (value: string) => void }) {
    const input = useRef<HTMLInputElement>(null);
    const clear = () => {
        onChange('');
        input.current?.focus();
    };
    return (
        <div className={css.search} role="search">
            <Search size={18} aria-hidden="true" />
            <input
                ref={input}
                type="search"
                className={css.input}
                aria-label={label}
                placeholder={placeholder}
                value={value}
                maxLength={200}
                onChange={(event) => onChange(event.target.value)}
                onKeyDown={(event) => event.key === 'Escape' && clear()}
            />
            {value !== '' && (
                <IconButton label="Clear the search" onClick={clear}>
                    <X size={16} aria-hidden="true" />
                </IconButton>
            )}
        </div>
    );
}
