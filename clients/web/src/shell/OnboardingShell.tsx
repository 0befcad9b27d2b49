import { Check } from 'lucide-react';
import { Outlet, useLocation } from 'react-router-dom';

import { AccountMenu } from './AccountMenu';
import { Brand, SkipLink } from './Brand';
import { usePageFocus } from './Frame';
import css from './shell.module.css';

const steps = [
    { path: '/onboarding/start', name: 'Welcome' },
    { path: '/onboarding/connect', name: 'Website' },
    { path: '/onboarding/launch', name: 'Launch' },
];

export function OnboardingShell() {
    const { pathname } = useLocation();
    const current = steps.findIndex((step) => step.path === pathname);
    const main = usePageFocus();
    return (
        <div className={css.onboarding}>
            <SkipLink />
            <header className={css.onboardingHead}>
                <Brand to="/onboarding/start" />
                <div>
                    <AccountMenu compact />
                </div>
            </header>
            <main id="main" className={css.onboardingMain} tabIndex={-1} ref={main}>
                <ol className={css.steps} aria-label="Steps">
                    {steps.map((step, index) => (
                        <li key={step.path} className={css.step} aria-current={index === current ? 'step' : undefined} data-done={index < current || undefined}>
                            <span className={css.stepMark} aria-hidden="true">
                                {index < current ? <Check size={15} /> : index + 1}
                            </span>
                            <span className={css.stepName}>{step.name}</span>
                        </li>
                    ))}
                </ol>
                <Outlet />
            </main>
        </div>
    );
}
