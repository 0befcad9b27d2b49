/* Which of a form's fields an error is about. */
import { ApiError } from '../api/client';

/** What is wrong with the field of this path ("user.email"), or undefined. Parts of it count ("targeting.countries[0]"). */
export function fieldError(error: unknown, field: string): string | undefined {
    if (!(error instanceof ApiError) || error.field === undefined) return undefined;
    const own = error.field === field || error.field.startsWith(`${field}.`) || error.field.startsWith(`${field}[`);
    return own ? error.message : undefined;
}

/** The error's text where it is about none of the form's `fields`, or undefined. */
export function formError(error: unknown, fields: string[]): string | undefined {
    if (error === null || error === undefined) return undefined;
    if (fields.some((field) => fieldError(error, field) !== undefined)) return undefined;
    return error instanceof ApiError ? error.message : 'Something went wrong. Try again in a moment.';
}

/** Moves the focus to the first field that is wrong, once it is shown to be. */
export function focusInvalid(form: HTMLFormElement): void {
    requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}
