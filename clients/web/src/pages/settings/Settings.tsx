import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useSearchParams } from 'react-router-dom';

import { settingsQuery } from '../../api/queries';
import { Banner, Card, ErrorState, Loading, PageHead, Skeleton } from '../../ui';
import { AccountForm } from './AccountForm';
import { MetaSection } from './MetaSection';
import { PasswordForm } from './PasswordForm';
import { Section } from './Section';
import { WebsiteSection } from './WebsiteSection';

const metaErrors: Record<string, string> = {
    META_DENIED: 'You did not give Lotcast all the permissions that it needs. Connect again, and leave them all on.',
    META_FAILED: 'Meta could not be connected. Try again; use the account that owns your ad account.',
};

/** Why Meta sent the browser back without a connection (?error=…). The address forgets it, the page doesn't. */
function useMetaError(): string | undefined {
    const [search, setSearch] = useSearchParams();
    const [error] = useState(() => search.get('error'));
    const present = search.has('error');
    useEffect(() => {
        if (present) setSearch({}, { replace: true, preventScrollReset: true });
    }, [present, setSearch]);
    return error === null ? undefined : (metaErrors[error] ?? metaErrors.META_FAILED);
}

function SettingsSkeleton() {
    return (
        <Loading label="Loading your settings">
            {['Account', 'Website', 'Meta', 'Password'].map((title) => (
                <Section key={title} title={title} note={<Skeleton width="80%" />}>
                    <Card>
                        <div className="stack">
                            <Skeleton width="30%" />
                            <Skeleton height="2.6rem" />
                            <Skeleton height="2.6rem" />
                            <Skeleton height="2.4rem" width="9rem" />
                        </div>
                    </Card>
                </Section>
            ))}
        </Loading>
    );
}

export function Component() {
    const settings = useQuery(settingsQuery);
    const metaError = useMetaError();
    return (
        <div className="stack">
            <PageHead title="Settings" note="Your account, your website and your Meta connection." />
            {metaError !== undefined && (
                <Banner tone="bad" title="Meta was not connected" live>
                    {metaError}
                </Banner>
            )}
            {settings.isPending && <SettingsSkeleton />}
            {settings.isError && <ErrorState error={settings.error} onRetry={() => void settings.refetch()} busy={settings.isFetching} />}
            {settings.isSuccess && (
                <>
                    <AccountForm user={settings.data.user} />
                    <WebsiteSection website={settings.data.website} />
                    <MetaSection meta={settings.data.meta} started={settings.data.website.connected} />
                    <PasswordForm email={settings.data.user.email} />
                </>
            )}
        </div>
    );
}
