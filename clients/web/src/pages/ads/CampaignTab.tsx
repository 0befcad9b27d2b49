/* The campaign: pause and resume, budget and audience. */
import { useMutation } from '@tanstack/react-query';
import { Pause, Play } from 'lucide-react';
import { useState } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { adsQuery, dashboardQuery, queryClient } from '../../api/queries';
import { useViewAs } from '../../lib/view-as';
import { Button, Card, Dialog } from '../../ui';
import { showToast } from '../../ui/toast';
import { CampaignForm } from './CampaignForm';
import { ChangeError } from './ChangeError';
import { NotLaunched } from './NotLaunched';
import { CampaignBadge } from './StatusTab';
import css from './ads.module.css';

type Ads = Schemas['GetAdsResponse'];
type CampaignStatus = Schemas['MetaCampaign']['campaignStatus'];

function useSwitch() {
    return useMutation({
        mutationFn: (to: CampaignStatus) => dataOf(to === 'active' ? api.POST('/api/customer/ads/resume', { body: {} }) : api.POST('/api/customer/ads/pause', { body: {} })),
        onSuccess: ({ campaignStatus }) => {
            const isLive = campaignStatus === 'active';
            queryClient.setQueryData(adsQuery.queryKey, (old) => old && { ...old, isLive, metaCampaign: old.metaCampaign && { ...old.metaCampaign, campaignStatus } });
            showToast('good', isLive ? 'Your ads are running again' : 'Your ads are paused');
            void queryClient.invalidateQueries({ queryKey: adsQuery.queryKey });
            void queryClient.invalidateQueries({ queryKey: dashboardQuery.queryKey });
        },
    });
}

function StateCard({ status, readOnly }: { status: CampaignStatus; readOnly: boolean }) {
    const [asks, setAsks] = useState(false);
    const change = useSwitch();
    const active = status === 'active';
    const pause = () => {
        change.mutate('paused', { onSettled: () => setAsks(false) });
    };
    return (
        <Card title="State" note={active ? 'Your ads are shown and spend credits.' : 'Nobody sees your ads and no credits are spent.'} aside={<CampaignBadge status={status} />}>
            <div className="stack">
                <ChangeError error={change.error} title={change.variables === 'paused' ? 'Your ads were not paused' : 'Your ads were not resumed'} />
                <div>
                    <Button
                        variant={active ? 'secondary' : 'primary'}
                        onClick={() => (active ? setAsks(true) : change.mutate('active'))}
                        aria-busy={change.isPending || undefined}
                        disabled={readOnly}
                    >
                        {active ? <Pause size={17} aria-hidden="true" /> : <Play size={17} aria-hidden="true" />}
                        {active ? 'Pause ads' : change.isPending ? 'Resuming…' : 'Resume ads'}
                    </Button>
                </div>
            </div>
            <Dialog
                open={asks}
                onClose={() => setAsks(false)}
                title="Pause your ads?"
                actions={
                    <>
                        <Button onClick={() => setAsks(false)} disabled={change.isPending} autoFocus>
                            Cancel
                        </Button>
                        <Button variant="danger" onClick={pause} busy={change.isPending}>
                            Pause ads
                        </Button>
                    </>
                }
            >
                <p className="muted">Nobody sees them until you resume. Your items, budget and audience stay as they are.</p>
            </Dialog>
        </Card>
    );
}

export function CampaignTab({ ads }: { ads: Ads }) {
    const viewAs = useViewAs();
    const { metaCampaign } = ads;
    if (metaCampaign === null) return <NotLaunched itemCount={ads.itemCount} />;
    return (
        <div className={css.campaign}>
            <CampaignForm campaign={metaCampaign} readOnly={viewAs !== null} />
            <StateCard status={metaCampaign.campaignStatus} readOnly={viewAs !== null} />
        </div>
    );
}
