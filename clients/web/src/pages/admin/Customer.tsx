import { useQuery, useQueryClient } from '@tanstack/react-query';
import { ArrowLeft, Ban, Coins, Eye, Play, UserX } from 'lucide-react';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router-dom';

import { ApiError, type Schemas } from '../../api/client';
import { setViewAs } from '../../lib/view-as';
import { Button, ButtonLink, Card, EmptyState, ErrorState, Loading, PageHead, Skeleton, Tabs } from '../../ui';
import { Ledger } from '../billing/Ledger';
import { AuditTable } from './AuditTable';
import { CreditsDialog } from './CreditsDialog';
import { Overview } from './Overview';
import { ReasonDialog } from './ReasonDialog';
import { StatusBadge } from './StatusBadge';
import css from './admin.module.css';
import { customerQuery } from './queries';
import { adminZone } from './zone';

type Detail = Schemas['GetCustomerResponse'];

function DetailSkeleton() {
    return (
        <Loading label="Loading the customer">
            <div className="grid-2">
                {[1, 2, 3, 4].map((card) => (
                    <Card key={card}>
                        <Skeleton height="9rem" />
                    </Card>
                ))}
            </div>
        </Loading>
    );
}

function isUnknown(error: unknown): boolean {
    return error instanceof ApiError && error.status === 404;
}

function Unknown() {
    return (
        <Card>
            <EmptyState icon={<UserX />} title="There is no such customer" action={<ButtonLink to="/admin/customers">Look at all customers</ButtonLink>}>
                The address may be mistyped.
            </EmptyState>
        </Card>
    );
}

function Actions({ detail }: { detail: Detail }) {
    const client = useQueryClient();
    const navigate = useNavigate();
    const [dialog, setDialog] = useState<'credits' | 'reason'>();
    const { customer, billing } = detail;
    const suspended = customer.status === 'suspended';
    const viewAs = () => {
        setViewAs({ id: customer.id, company: customer.company || customer.email });
        // What was fetched before may be of another customer. What this page shows is not asked for again.
        client.removeQueries({ type: 'inactive' });
        void navigate('/app/dashboard');
    };
    return (
        <>
            <Button variant="primary" onClick={viewAs}>
                <Eye size={17} aria-hidden="true" />
                View as customer
            </Button>
            <Button onClick={() => setDialog('credits')}>
                <Coins size={17} aria-hidden="true" />
                Adjust credits
            </Button>
            <Button onClick={() => setDialog('reason')}>
                {suspended ? <Play size={17} aria-hidden="true" /> : <Ban size={17} aria-hidden="true" />}
                {suspended ? 'Resume' : 'Suspend'}
            </Button>
            <CreditsDialog customer={customer} balance={billing.credits} open={dialog === 'credits'} onClose={() => setDialog(undefined)} />
            <ReasonDialog customer={customer} suspended={suspended} open={dialog === 'reason'} onClose={() => setDialog(undefined)} />
        </>
    );
}

function Shown({ detail }: { detail: Detail }) {
    const [tab, setTab] = useState(0);
    const { customer } = detail;
    return (
        <>
            <PageHead
                title={customer.company || customer.email}
                note={
                    <span className="row">
                        <StatusBadge status={customer.status} />
                        {customer.email}
                    </span>
                }
                actions={<Actions detail={detail} />}
            />
            <Tabs
                label="About this customer"
                selected={tab}
                onSelect={setTab}
                tabs={[
                    { title: 'Overview', content: <Overview detail={detail} /> },
                    { title: 'Credit movements', content: <Ledger customerId={customer.id} timeZone={adminZone} /> },
                    { title: 'Audit', content: <AuditTable customerId={customer.id} /> },
                ]}
            />
        </>
    );
}

export function Component() {
    const id = useParams().id!;
    const detail = useQuery(customerQuery(id));
    return (
        <div className="stack">
            <Link to="/admin/customers" className={css.back}>
                <ArrowLeft size={16} aria-hidden="true" />
                All customers
            </Link>
            {detail.data === undefined && <PageHead title="Customer" />}
            {detail.isPending && <DetailSkeleton />}
            {detail.isError && detail.data === undefined && (isUnknown(detail.error) ? <Unknown /> : <ErrorState error={detail.error} onRetry={() => void detail.refetch()} busy={detail.isFetching} />)}
            {detail.data !== undefined && <Shown key={id} detail={detail.data} />}
        </div>
    );
}
