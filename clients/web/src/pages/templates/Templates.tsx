import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Check, LayoutTemplate, Sparkles, X } from 'lucide-react';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { announcementsQuery } from '../../api/queries';
import { formatMoment } from '../../lib/format';
import { useTimeZone } from '../../lib/time-zone';
import { useViewAs } from '../../lib/view-as';
import { Badge, Button, ButtonLink, Card, EmptyState, ErrorState, Loading, PageHead, Skeleton } from '../../ui';
import { showToast } from '../../ui/toast';
import css from './templates.module.css';

type Announcement = Schemas['ListCustomerAnnouncementsResponse']['announcements'][number];

function useDismiss() {
    const client = useQueryClient();
    return useMutation({
        mutationFn: (id: string) => dataOf(api.POST('/api/customer/suggestion/dismiss', { body: { id } })),
        onSuccess: (_data, id) => {
            client.setQueryData(announcementsQuery.queryKey, (old) => old && { announcements: old.announcements.map((one) => (one.id === id ? { ...one, dismissed: true } : one)) });
            // The dashboard suggests it no more.
            void client.invalidateQueries({ queryKey: ['dashboard'] });
        },
        onError: (error) => showToast('bad', error instanceof ApiError ? error.message : 'It could not be dismissed. Try again.'),
    });
}

function AnnouncementCard({ announcement }: { announcement: Announcement }) {
    const timeZone = useTimeZone();
    const readOnly = useViewAs() !== null;
    const dismiss = useDismiss();
    const { id, message, link, publishedAt, dismissed } = announcement;
    const elsewhere = link.startsWith('/app/') && link !== '/app/templates';
    return (
        <Card className={dismissed ? css.dismissed : undefined}>
            <article className={css.announcement} tabIndex={-1} id={`announcement-${id}`}>
                <span className={css.icon} aria-hidden="true">
                    <Sparkles size={20} />
                </span>
                <div className={css.text}>
                    <h2>{message}</h2>
                    <p className="muted small">{formatMoment(publishedAt, timeZone)}</p>
                </div>
                <div className={css.actions}>
                    {elsewhere && (
                        <ButtonLink to={link} size="small">
                            Have a look
                        </ButtonLink>
                    )}
                    {dismissed ? (
                        <Badge>
                            <Check size={14} aria-hidden="true" />
                            Dismissed
                        </Badge>
                    ) : (
                        <Button
                            size="small"
                            variant="quiet"
                            busy={dismiss.isPending}
                            disabled={readOnly}
                            aria-label={`Dismiss: ${message}`}
                            onClick={() => dismiss.mutate(id, { onSuccess: () => document.getElementById(`announcement-${id}`)?.focus() })}
                        >
                            {!dismiss.isPending && <X size={15} aria-hidden="true" />}
                            Dismiss
                        </Button>
                    )}
                </div>
            </article>
        </Card>
    );
}

function ListSkeleton() {
    return (
        <Loading label="Loading the templates">
            {[1, 2, 3].map((row) => (
                <Card key={row}>
                    <Skeleton height="3rem" />
                </Card>
            ))}
        </Loading>
    );
}

export function Component() {
    const announcements = useQuery(announcementsQuery);
    return (
        <div className="stack">
            <PageHead title="Templates" note="New ad templates and what else is new, the latest first." />
            {announcements.isPending && <ListSkeleton />}
            {announcements.isError && <ErrorState error={announcements.error} onRetry={() => void announcements.refetch()} busy={announcements.isFetching} />}
            {announcements.isSuccess && announcements.data.announcements.length === 0 && (
                <Card>
                    <EmptyState icon={<LayoutTemplate />} title="Nothing new yet" action={<ButtonLink to="/app/dashboard">Go to the dashboard</ButtonLink>}>
                        When there is a new template for your ads, it appears here and on your dashboard.
                    </EmptyState>
                </Card>
            )}
            {announcements.isSuccess && announcements.data.announcements.length > 0 && (
                <ul className="stack-s">
                    {announcements.data.announcements.map((announcement) => (
                        <li key={announcement.id}>
                            <AnnouncementCard announcement={announcement} />
                        </li>
                    ))}
                </ul>
            )}
        </div>
    );
}
