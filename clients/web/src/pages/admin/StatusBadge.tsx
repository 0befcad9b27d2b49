import { Badge, type Tone } from '../../ui';
import type { CustomerStatus } from './queries';

export const statuses: Record<CustomerStatus, { tone: Tone; name: string }> = {
    setup: { tone: 'info', name: 'Setting up' },
    running: { tone: 'good', name: 'Running' },
    paused: { tone: 'neutral', name: 'Paused' },
    out_of_credits: { tone: 'warn', name: 'Out of credits' },
    attention: { tone: 'warn', name: 'Needs attention' },
    suspended: { tone: 'bad', name: 'Suspended' },
};

export function StatusBadge({ status }: { status: CustomerStatus }) {
    return (
        <Badge tone={statuses[status].tone} dot>
            {statuses[status].name}
        </Badge>
    );
}
