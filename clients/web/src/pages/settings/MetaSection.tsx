import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link2, Unlink } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { settingsQuery } from '../../api/queries';
import { useViewAs } from '../../lib/view-as';
import { Badge, Banner, Button, ButtonAnchor, Card, Details, Dialog } from '../../ui';
import { Section } from './Section';
import css from './settings.module.css';

type Meta = Schemas['GetSettingsResponse']['meta'];

const CONNECT = '/api/auth/meta/connect?returnTo=/app/settings';

function messageOf(error: unknown): string {
    if (!(error instanceof ApiError)) return 'Meta could not be disconnected. Try again.';
    return error.code === 'UPSTREAM_ERROR' ? 'Meta did not confirm that your ads are paused, so nothing was changed. Try again in a few minutes.' : error.message;
}

function DisconnectDialog({ open, onClose, onDone }: { open: boolean; onClose: () => void; onDone: () => void }) {
    const client = useQueryClient();
    const disconnect = useMutation({
        mutationFn: () => dataOf(api.POST('/api/customer/settings/disconnect-meta', { body: {} })),
        onSuccess: () => {
            client.setQueryData(settingsQuery.queryKey, (old) => old && { ...old, meta: { connected: false, accountId: null, businessName: null } });
            for (const key of ['dashboard', 'ads', 'meta-accounts']) void client.invalidateQueries({ queryKey: [key] });
            onDone();
        },
    });
    const close = () => {
        if (disconnect.isPending) return;
        disconnect.reset();
        onClose();
    };
    return (
        <Dialog
            open={open}
            onClose={close}
            title="Disconnect Meta"
            actions={
                <>
                    <Button onClick={close} disabled={disconnect.isPending}>
                        Cancel
                    </Button>
                    <Button variant="danger" busy={disconnect.isPending} onClick={() => disconnect.mutate()}>
                        Disconnect
                    </Button>
                </>
            }
        >
            <div className="stack-s">
                <p className="muted">Are you sure? This will pause all ads.</p>
                {disconnect.isError && (
                    <Banner tone="bad" live>
                        {messageOf(disconnect.error)}
                    </Banner>
                )}
            </div>
        </Dialog>
    );
}

function Connected({ meta, readOnly, onDisconnect }: { meta: Meta; readOnly: boolean; onDisconnect: () => void }) {
    return (
        <Card>
            <div className="stack">
                <Details
                    rows={[
                        [
                            'Status',
                            <Badge tone="good" dot>
                                Connected
                            </Badge>,
                        ],
                        ['Business', meta.businessName ?? '–'],
                        ['Ad account', meta.accountId ?? '–'],
                    ]}
                />
                <div className={css.actions}>
                    <Button onClick={onDisconnect} disabled={readOnly}>
                        <Unlink size={16} aria-hidden="true" />
                        Disconnect
                    </Button>
                </div>
            </div>
        </Card>
    );
}

function NotConnected({ started, readOnly }: { started: boolean; readOnly: boolean }) {
    return (
        <Card>
            <div className="stack">
                {started ? (
                    <Banner tone="warn" title="Ads are paused" live>
                        Your ads can run only while a Meta account is connected.
                    </Banner>
                ) : (
                    <p className="muted">Connect the Meta account that your ads are to run in.</p>
                )}
                <div className={css.actions}>
                    {readOnly ? (
                        <Button disabled>Connect Meta Account</Button>
                    ) : (
                        <ButtonAnchor href={CONNECT} variant="primary">
                            <Link2 size={16} aria-hidden="true" />
                            Connect Meta Account
                        </ButtonAnchor>
                    )}
                </div>
            </div>
        </Card>
    );
}

/** `started`: the customer is past the first step, and may have ads. */
export function MetaSection({ meta, started }: { meta: Meta; started: boolean }) {
    const readOnly = useViewAs() !== null;
    const [asking, setAsking] = useState(false);
    const [disconnected, setDisconnected] = useState(false);
    const body = useRef<HTMLDivElement>(null);
    // The button that had the focus is gone: the focus goes to what came in its place, once the dialog has closed.
    useEffect(() => {
        if (!disconnected) return;
        const timer = setTimeout(() => body.current?.focus(), 50);
        return () => clearTimeout(timer);
    }, [disconnected]);
    const done = () => {
        setAsking(false);
        setDisconnected(true);
    };
    return (
        <Section title="Meta" note="Your ads run in this ad account, on Facebook and Instagram.">
            <div ref={body} tabIndex={-1} role="group" aria-label="Meta connection">
                {meta.connected ? <Connected meta={meta} readOnly={readOnly} onDisconnect={() => setAsking(true)} /> : <NotConnected started={started} readOnly={readOnly} />}
            </div>
            <DisconnectDialog open={asking} onClose={() => setAsking(false)} onDone={done} />
        </Section>
    );
}
