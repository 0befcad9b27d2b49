/* Step 1: what Lotcast does. Nothing is asked here (data-flows.md, "New User Journey"). */
import { ArrowRight, Clock3, Globe, Megaphone, RefreshCw, type LucideIcon } from 'lucide-react';

import { ButtonLink, Card, useTitle } from '../../ui';
import css from './onboarding.module.css';

const points: { Icon: LucideIcon; title: string; text: string }[] = [
    { Icon: Globe, title: 'We read your website', text: 'Give us its address. Every item that you list becomes an ad with its own picture and price.' },
    { Icon: Megaphone, title: 'You set one budget', text: 'Connect Meta, say how much a month and to whom. The ads run on Facebook and Instagram.' },
    { Icon: RefreshCw, title: 'It stays up to date', text: 'Three times a day we add what is new and take out what is sold. You do nothing.' },
];

export function Component() {
    useTitle('Welcome');
    return (
        <div className="stack">
            <div className={css.welcome}>
                <h1>Turn your website into ads that sell your stock</h1>
                <p>No ad manager, no spreadsheets, no design work. Three short steps and your ads run.</p>
            </div>
            <Card>
                <ol className={css.points}>
                    {points.map(({ Icon, title, text }) => (
                        <li key={title} className={css.point}>
                            <span className={css.pointIcon} aria-hidden="true">
                                <Icon size={21} />
                            </span>
                            <div>
                                <h2>{title}</h2>
                                <p>{text}</p>
                            </div>
                        </li>
                    ))}
                </ol>
            </Card>
            <div className={css.begin}>
                <ButtonLink to="/onboarding/connect" variant="primary">
                    Get Started
                    <ArrowRight size={18} aria-hidden="true" />
                </ButtonLink>
                <span className={css.beginNote}>
                    <Clock3 size={16} aria-hidden="true" />
                    Takes about five minutes
                </span>
            </div>
        </div>
    );
}
