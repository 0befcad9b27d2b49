/* Whom the ads are shown to: part of the launch's form and of the campaign's. */
import type { Schemas } from '../../api/client';
import { fieldError } from '../../lib/form';
import { SelectField } from '../../ui';
import { CountryPicker } from './CountryPicker';
import css from './shared.module.css';

export type Targeting = Schemas['TargetingInput'];

export const AGE_MIN = 18;
export const AGE_MAX = 65;
/** Whose errors are shown here. */
export const TARGETING_FIELDS = ['targeting'];

function ages(from: number): number[] {
    return Array.from({ length: AGE_MAX - from + 1 }, (_, index) => from + index);
}

/** Meta's highest age means everybody above too. */
export function ageName(age: number): string {
    return age === AGE_MAX ? `${age}+` : `${age}`;
}

interface AgeProps {
    label: string;
    value: number;
    from: number;
    onChange: (age: number) => void;
    error: string | undefined;
    disabled: boolean;
}

function AgeField({ label, value, from, onChange, error, disabled }: AgeProps) {
    return (
        <SelectField label={label} value={value} onChange={(event) => onChange(Number(event.target.value))} error={error} disabled={disabled}>
            {ages(from).map((age) => (
                <option key={age} value={age}>
                    {ageName(age)}
                </option>
            ))}
        </SelectField>
    );
}

interface Props {
    value: Targeting;
    onChange: (targeting: Targeting) => void;
    /** What the call that sent it failed with. */
    error: unknown;
    disabled?: boolean;
}

export function TargetingFields({ value, onChange, error, disabled = false }: Props) {
    // An error about the whole is shown at its first field.
    const whole = fieldError(error, 'targeting');
    const age = { min: fieldError(error, 'targeting.ageMin'), max: fieldError(error, 'targeting.ageMax') };
    const own = fieldError(error, 'targeting.countries') ?? (age.min === undefined && age.max === undefined ? whole : undefined);
    const countries = own !== undefined && value.countries.length === 0 ? 'Please choose at least one country' : own;
    return (
        <>
            <CountryPicker value={value.countries} onChange={(countryCodes) => onChange({ ...value, countries: countryCodes })} error={countries} disabled={disabled} />
            <div className={css.ages}>
                <AgeField label="Youngest age" value={value.ageMin} from={AGE_MIN} error={age.min} disabled={disabled} onChange={(ageMin) => onChange({ ...value, ageMin, ageMax: Math.max(value.ageMax, ageMin) })} />
                <AgeField label="Oldest age" value={value.ageMax} from={value.ageMin} error={age.max} disabled={disabled} onChange={(ageMax) => onChange({ ...value, ageMax })} />
            </div>
        </>
    );
}
