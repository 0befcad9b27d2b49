import { ApiError } from '../../api/client';
import { Banner, ButtonLink } from '../../ui';

/** A failure of a change to the campaign, with where it can be solved. */
export function ChangeError({ error, title }: { error: unknown; title: string }) {
    if (error === null || error === undefined) return null;
    const code = error instanceof ApiError ? error.code : '';
    const link = code === 'OUT_OF_CREDITS' ? { to: '/app/billing', name: 'Add credits' } : code === 'META_NOT_CONNECTED' ? { to: '/app/settings', name: 'Go to settings' } : undefined;
    const action = link && (
        <ButtonLink to={link.to} size="small">
            {link.name}
        </ButtonLink>
    );
    return (
        <Banner tone="bad" title={title} live action={action}>
            {error instanceof ApiError ? `${error.message.replace(/\.$/, '')}.` : 'Something went wrong. Try again in a moment.'}
        </Banner>
    );
}
