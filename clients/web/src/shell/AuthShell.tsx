import { ChartLine, Megaphone, RefreshCw } from 'lucide-react';
import { Outlet } from 'react-router-dom';

import { Brand } from './Brand';
import { usePageFocus } from './Frame';
import css from './shell.module.css';

export function AuthShell() {
    const main = usePageFocus();
    return (
        <div className={css.auth}>
            <main className={css.authForm} id="main" tabIndex={-1} ref={main}>
                <div className={css.authBox}>
                    <Brand to="/login" />
                    <Outlet />
                </div>
            </main>
            <aside className={css.authPitch} aria-label="What Lotcast does">
                <h2>Your whole lot on Meta. No ad manager.</h2>
                <ul>
                    <li>
                        <RefreshCw size={20} aria-hidden="true" />
                        <div>
                            <strong>Reads your website</strong>
                            Every car, shoe or sofa that you list becomes an ad, and leaves when it is sold.
                        </div>
                    </li>
                    <li>
                        <Megaphone size={20} aria-hidden="true" />
                        <div>
                            <strong>Runs one campaign</strong>
                            You set a monthly budget. Lotcast keeps the catalog and the ads in step, three times a day.
                        </div>
                    </li>
                    <li>
                        <ChartLine size={20} aria-hidden="true" />
                        <div>
                            <strong>Shows what it brings</strong>
                            Impressions, clicks and your best items, day by day.
                        </div>
                    </li>
                </ul>
            </aside>
        </div>
    );
}
