/* Many countries of all: those chosen as chips, and a field that searches and adds. */
import { Combobox, ComboboxButton, ComboboxInput, ComboboxOption, ComboboxOptions } from '@headlessui/react';
import { Check, ChevronsUpDown, X } from 'lucide-react';
import { type KeyboardEvent, useId, useMemo, useRef, useState } from 'react';

import { FieldError, classes } from '../../ui';
import ui from '../../ui/ui.module.css';
import { countryName, findCountries } from './countries';
import css from './shared.module.css';

interface Props {
    value: string[];
    onChange: (codes: string[]) => void;
    error?: string | undefined;
    disabled?: boolean;
}

interface ChipsProps {
    value: string[];
    onRemove: (code: string) => void;
    disabled: boolean;
}

function Chips({ value, onRemove, disabled }: ChipsProps) {
    return (
        <ul className={css.chips} aria-label="Chosen countries">
            {value.map((code) => (
                <li key={code} className={css.chip}>
                    {countryName(code)}
                    <button type="button" aria-label={`Remove ${countryName(code)}`} disabled={disabled} onClick={() => onRemove(code)}>
                        <X size={14} aria-hidden="true" />
                    </button>
                </li>
            ))}
        </ul>
    );
}

function Options({ search, value }: { search: string; value: string[] }) {
    const found = useMemo(() => findCountries(search), [search]);
    return (
        <ComboboxOptions className={css.options} modal={false}>
            {found.length === 0 && <div className={css.noOption}>No country of this name</div>}
            {found.map(({ code, name }) => (
                <ComboboxOption key={code} value={code} className={css.option}>
                    <span className={css.optionMark}>{value.includes(code) && <Check size={16} aria-hidden="true" />}</span>
                    {name}
                    {value.includes(code) && <span className="visually-hidden">, chosen</span>}
                </ComboboxOption>
            ))}
        </ComboboxOptions>
    );
}

export function CountryPicker({ value, onChange, error, disabled = false }: Props) {
    const id = useId();
    const input = useRef<HTMLInputElement>(null);
    const [search, setSearch] = useState('');
    // A click opens the list; a focus that comes from elsewhere (after an error, say) does not cover what is below.
    const [pointed, setPointed] = useState(false);
    // The list closes with each choice, so that it does not cover what is below.
    const toggle = (code: string | null) => {
        if (code === null) return;
        onChange(value.includes(code) ? value.filter((one) => one !== code) : [...value, code]);
        setSearch('');
        if (input.current !== null) input.current.value = '';
    };
    const remove = (code: string) => {
        onChange(value.filter((one) => one !== code));
        input.current?.focus();
    };
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.key === 'Backspace' && search === '' && value.length > 0) remove(value.at(-1)!);
    };
    return (
        <div className={ui.field}>
            <label htmlFor={id} className={ui.label}>
                Countries
            </label>
            {value.length > 0 && <Chips value={value} onRemove={remove} disabled={disabled} />}
            <Combobox<string | null> immediate={pointed} value={null} onChange={toggle} onClose={() => setSearch('')} disabled={disabled}>
                <div className={css.combobox}>
                    <ComboboxInput
                        ref={input}
                        id={id}
                        className={ui.input}
                        placeholder="Search and add a country"
                        autoComplete="off"
                        aria-invalid={error !== undefined || undefined}
                        aria-describedby={classes(`${id}-hint`, error !== undefined && `${id}-error`)}
                        onChange={(event) => setSearch(event.target.value)}
                        onKeyDown={onKeyDown}
                        onPointerDown={() => setPointed(true)}
                        onBlur={() => setPointed(false)}
                    />
                    <ComboboxButton className={css.comboboxButton} aria-label="All countries">
                        <ChevronsUpDown size={17} aria-hidden="true" />
                    </ComboboxButton>
                    <Options search={search} value={value} />
                </div>
            </Combobox>
            <div id={`${id}-hint`} className={ui.hint}>
                Where your ads are shown.
            </div>
            {error !== undefined && <FieldError id={`${id}-error`}>{error}</FieldError>}
        </div>
    );
}
