/* The dashboard of an account whose ads are not launched yet: what is done and what is next. */
import { ArrowRight, Check } from 'lucide-react';

import type { Schemas } from '../../api/client';
import { plural } from '../../lib/format';
import { useViewAs } from '../../lib/view-as';
import { Badge, ButtonLink, Card, classes } from '../../ui';
import css from './dashboard.module.css';

const CONNECT = '/onboarding/connect';
const LAUNCH = '/onboarding/launch';

export function SetupHero({ dashboard }: { dashboard: Schemas['GetDashboardResponse'] }) {
    const viewAs = useViewAs();
    const next = dashboard.suggestion?.type === 'onboarding' ? dashboard.suggestion.link : CONNECT;
    const connected = next === LAUNCH;
    const steps = [
        { name: 'Create your account', note: 'Done', done: true },
        { name: 'Connect your website', note: connected ? `${plural(dashboard.itemCount, 'item')} found` : 'We read what you sell', done: connected },
        { name: 'Connect Meta and launch', note: 'Set a budget, and your ads run', done: false },
    ];
    return (
        <Card className={classes(css.hero, css.info)}>
            <div className={css.heroBody}>
                <div role="status">
                    <Badge tone="info" dot>
                        Setup
                    </Badge>
                </div>
                <h2 className={css.heroTitle}>{connected ? 'One step left: launch your ads' : 'Welcome! Two steps and your ads run'}</h2>
                <p className="muted">{dashboard.suggestion?.message ?? 'Connect your website to get started'}.</p>
                <ol className={css.setupSteps}>
                    {steps.map(({ name, note, done }) => (
                        <li key={name} data-done={done || undefined}>
                            <span className={css.setupMark} aria-hidden="true">
                                {done && <Check size={14} />}
                            </span>
                            <span>
                                <strong>{name}</strong>
                                <span className="muted small">{note}</span>
                            </span>
                        </li>
                    ))}
                </ol>
            </div>
            <div className={css.heroSide}>
                {viewAs === null ? (
                    <ButtonLink to={next} variant="primary">
                        {connected ? 'Launch your ads' : 'Connect your website'}
                        <ArrowRight size={17} aria-hidden="true" />
                    </ButtonLink>
                ) : (
                    <span className="muted small">Only the customer can go on with the setup.</span>
                )}
            </div>
        </Card>
    );
}
