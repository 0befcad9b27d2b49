/* The frame of the app's and the admins' pages: a side bar, or on small screens a top bar with a drawer. */
import { Dialog, DialogPanel } from '@headlessui/react';
import { Menu as MenuIcon, X, type LucideIcon } from 'lucide-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { NavLink, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router-dom';

import { IconButton } from '../ui';
import ui from '../ui/ui.module.css';
import { AccountMenu } from './AccountMenu';
import { Brand, SkipLink } from './Brand';
import css from './shell.module.css';

export interface NavItem {
    to: string;
    name: string;
    Icon: LucideIcon;
}

function Nav({ items, label }: { items: NavItem[]; label: string }) {
    return (
        <nav className={css.nav} aria-label={label}>
            {items.map(({ to, name, Icon }) => (
                <NavLink key={to} to={to} className={css.navLink}>
                    <Icon size={19} aria-hidden="true" />
                    {name}
                </NavLink>
            ))}
        </nav>
    );
}

/* The page that was shown last, in whichever frame; undefined: none since the browser loaded us. */
let shown: string | undefined;

/** Moves the focus to the page when another one is shown, as a load of it would; a page may have taken it itself. */
export function usePageFocus() {
    const main = useRef<HTMLElement>(null);
    const { pathname } = useLocation();
    useEffect(() => {
        const before = shown;
        shown = pathname;
        if (before === undefined || before === pathname) return;
        if (main.current?.contains(document.activeElement) && document.activeElement !== main.current) return;
        main.current?.focus({ preventScroll: true });
    }, [pathname]);
    return main;
}

export function Frame({ items, home, label, head }: { items: NavItem[]; home: string; label: string; head?: ReactNode }) {
    const [drawer, setDrawer] = useState(false);
    const { pathname } = useLocation();
    const main = usePageFocus();
    const loading = useNavigation().state === 'loading';
    useEffect(() => setDrawer(false), [pathname]);
    return (
        <div className={css.app}>
            <SkipLink />
            <header className={css.topbar}>
                <div className="row">
                    <IconButton label="Menu" onClick={() => setDrawer(true)} aria-expanded={drawer}>
                        <MenuIcon size={20} aria-hidden="true" />
                    </IconButton>
                    <Brand to={home} />
                </div>
                <div>
                    <AccountMenu compact />
                </div>
            </header>
            <aside className={css.sidebar} aria-label="Side bar">
                <Brand to={home} />
                <Nav items={items} label={label} />
                <div className={css.sidebarFoot}>
                    <AccountMenu />
                </div>
            </aside>
            <Dialog open={drawer} onClose={setDrawer} className={ui.dialog} aria-label="Menu">
                <div className={ui.backdrop} aria-hidden="true" />
                <DialogPanel className={css.drawerPanel}>
                    <div className={css.drawerHead}>
                        <Brand to={home} />
                        <IconButton label="Close the menu" onClick={() => setDrawer(false)}>
                            <X size={20} aria-hidden="true" />
                        </IconButton>
                    </div>
                    <Nav items={items} label={label} />
                </DialogPanel>
            </Dialog>
            <main id="main" className={css.main} tabIndex={-1} ref={main} aria-busy={loading || undefined}>
                {head}
                <Outlet />
            </main>
            <ScrollRestoration />
        </div>
    );
}
