/* What to do next. It slides in when it is new; an announcement can be dismissed. */
import { useMutation } from '@tanstack/react-query';
import { ArrowRight, Coins, Lightbulb, type LucideIcon, Plug, RefreshCw, Rocket, X } from 'lucide-react';
import { useRef } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { announcementsQuery, dashboardQuery, queryClient } from '../../api/queries';
import { useViewAs } from '../../lib/view-as';
import { ButtonLink, IconButton } from '../../ui';
import { showToast } from '../../ui/toast';
import css from './dashboard.module.css';

type Shown = Schemas['Suggestion'];

const looks: Record<Shown['type'], { Icon: LucideIcon; action: string }> = {
    onboarding: { Icon: Rocket, action: 'Go on' },
    meta: { Icon: Plug, action: 'Go to settings' },
    credits: { Icon: Coins, action: 'Add credits' },
    sync: { Icon: RefreshCw, action: 'Go to your ads' },
    template: { Icon: Lightbulb, action: 'See it' },
};

function useDismiss() {
    return useMutation({
        mutationFn: (id: string) => dataOf(api.POST('/api/customer/suggestion/dismiss', { body: { id } })),
        onMutate: async () => {
            await queryClient.cancelQueries({ queryKey: dashboardQuery.queryKey });
            const before = queryClient.getQueryData(dashboardQuery.queryKey);
            queryClient.setQueryData(dashboardQuery.queryKey, (old) => old && { ...old, suggestion: null });
            return before?.suggestion ?? null;
        },
        onError: (_error, _id, before) => {
            queryClient.setQueryData(dashboardQuery.queryKey, (old) => old && { ...old, suggestion: before ?? null });
            showToast('bad', 'That could not be dismissed. Try again.');
        },
        // It is the next one's turn, if there is one.
        onSuccess: () => {
            void queryClient.invalidateQueries({ queryKey: dashboardQuery.queryKey });
            void queryClient.invalidateQueries({ queryKey: announcementsQuery.queryKey });
        },
    });
}

function SuggestionCard({ suggestion, onDismiss }: { suggestion: Shown; onDismiss: () => void }) {
    const viewAs = useViewAs();
    const { Icon, action } = looks[suggestion.type];
    return (
        <div className={css.suggestion} data-tone={suggestion.type === 'template' ? 'info' : 'warn'}>
            <span className={css.suggestionIcon} aria-hidden="true">
                <Icon size={19} />
            </span>
            <p>{suggestion.message}</p>
            <div className={css.suggestionActions}>
                <ButtonLink to={suggestion.link} size="small">
                    {action}
                    <ArrowRight size={15} aria-hidden="true" />
                </ButtonLink>
                {suggestion.type === 'template' && viewAs === null && (
                    <IconButton label="Dismiss" onClick={onDismiss}>
                        <X size={18} aria-hidden="true" />
                    </IconButton>
                )}
            </div>
        </div>
    );
}

export function Suggestion({ suggestion }: { suggestion: Shown | null }) {
    const dismiss = useDismiss();
    const place = useRef<HTMLDivElement>(null);
    const onDismiss = () => {
        if (suggestion !== null) dismiss.mutate(suggestion.id);
        // The button that had the focus goes.
        place.current?.focus({ preventScroll: true });
    };
    return (
        <div ref={place} tabIndex={-1} className={css.suggestionPlace} role="region" aria-label="Suggestion" aria-live="polite" data-empty={suggestion === null || undefined}>
            {suggestion !== null && <SuggestionCard key={suggestion.id} suggestion={suggestion} onDismiss={onDismiss} />}
        </div>
    );
}
