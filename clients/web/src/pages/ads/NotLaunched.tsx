import { Rocket } from 'lucide-react';

import { useViewAs } from '../../lib/view-as';
import { ButtonLink, Card, EmptyState } from '../../ui';

/** In the place of what there is only after the launch. The items tell which step of the onboarding is next. */
export function NotLaunched({ itemCount }: { itemCount: number }) {
    const viewAs = useViewAs();
    const connected = itemCount > 0;
    const action = connected ? (
        <ButtonLink to="/onboarding/launch" variant="primary">
            Launch your ads
        </ButtonLink>
    ) : (
        <ButtonLink to="/onboarding/connect" variant="primary">
            Connect your website
        </ButtonLink>
    );
    return (
        <Card>
            <EmptyState icon={<Rocket />} title="Your ads are not launched yet" {...(viewAs === null ? { action } : {})}>
                {connected ? 'Your website is connected. Connect Meta and set a budget, and your ads run.' : 'Connect your website first: your ads are made of what is on it.'}
            </EmptyState>
        </Card>
    );
}
