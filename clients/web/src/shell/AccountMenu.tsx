/* Who is logged in, the look of the pages, the way out. Who it is, is asked when the menu is first opened. */
import { Menu, MenuButton, MenuItem, MenuItems } from '@headlessui/react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { BookOpen, CircleUser, LogOut, Monitor, Moon, Sun } from 'lucide-react';
import { useNavigate } from 'react-router-dom';

import { api, dataOf } from '../api/client';
import { sessionQuery } from '../api/queries';
import { forgetSession } from '../lib/session';
import { type Theme, setTheme, useTheme } from '../lib/theme';
import { showToast } from '../ui/toast';
import css from './shell.module.css';

const themes: { theme: Theme; name: string; Icon: typeof Sun }[] = [
    { theme: 'system', name: "System's look", Icon: Monitor },
    { theme: 'light', name: 'Light', Icon: Sun },
    { theme: 'dark', name: 'Dark', Icon: Moon },
];

function Who() {
    const session = useQuery(sessionQuery);
    const user = session.data?.user;
    return (
        <div className={css.menuHead}>
            {user === undefined ? (
                <span className="muted small">{session.isError ? 'Could not load who is logged in' : 'Loading…'}</span>
            ) : (
                <>
                    <strong>{user.name || user.company || user.email}</strong>
                    <div className="muted small">{user.email}</div>
                </>
            )}
        </div>
    );
}

/** Where there is no room for its name it is an icon alone. */
export function AccountMenu({ compact = false }: { compact?: boolean }) {
    const theme = useTheme();
    const navigate = useNavigate();
    const logOut = useMutation({
        mutationFn: () => dataOf(api.POST('/api/auth/logout', { body: {} })),
        onSuccess: ({ redirectTo }) => {
            forgetSession();
            void navigate(redirectTo);
        },
        onError: () => showToast('bad', 'You could not be logged out. Try again.'),
    });
    const nextTheme = themes[(themes.findIndex((one) => one.theme === theme) + 1) % themes.length]!;
    const shownTheme = themes.find((one) => one.theme === theme)!;
    return (
        <Menu as="div" className={css.account}>
            <MenuButton className={css.accountButton} aria-label={compact ? 'Account' : undefined}>
                <CircleUser size={20} aria-hidden="true" />
                {!compact && 'Account'}
            </MenuButton>
            <MenuItems className={`${css.menu} ${compact ? css.menuBelow : css.menuAbove}`} modal={false}>
                <Who />
                <MenuItem>
                    <button
                        type="button"
                        className={css.menuItem}
                        onClick={(event) => {
                            event.preventDefault();
                            setTheme(nextTheme.theme);
                        }}
                    >
                        <shownTheme.Icon size={17} aria-hidden="true" />
                        Look: {shownTheme.name}
                    </button>
                </MenuItem>
                <MenuItem>
                    <a href="/api/docs" className={css.menuItem}>
                        <BookOpen size={17} aria-hidden="true" />
                        API for developers
                    </a>
                </MenuItem>
                <MenuItem>
                    <button type="button" className={css.menuItem} onClick={() => logOut.mutate()}>
                        <LogOut size={17} aria-hidden="true" />
                        Log out
                    </button>
                </MenuItem>
            </MenuItems>
        </Menu>
    );
}
