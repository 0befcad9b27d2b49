import { ChartLine, CreditCard, Eye, LayoutDashboard, LayoutTemplate, Megaphone, Package, Settings } from 'lucide-react';
import { useNavigate } from 'react-router-dom';

import { useViewAs } from '../lib/view-as';
import { Button } from '../ui';
import { Frame, type NavItem } from './Frame';
import css from './shell.module.css';

const items: NavItem[] = [
    { to: '/app/dashboard', name: 'Dashboard', Icon: LayoutDashboard },
    { to: '/app/ads', name: 'Ads', Icon: Megaphone },
    { to: '/app/performance', name: 'Performance', Icon: ChartLine },
    { to: '/app/inventory', name: 'Inventory', Icon: Package },
    { to: '/app/templates', name: 'Templates', Icon: LayoutTemplate },
    { to: '/app/billing', name: 'Billing', Icon: CreditCard },
    { to: '/app/settings', name: 'Settings', Icon: Settings },
];

/* Over every page that an admin looks at as a customer. */
function ViewAsBar() {
    const customer = useViewAs();
    const navigate = useNavigate();
    if (customer === null) return null;
    // The admins' frame ends it.
    const leave = () => void navigate(`/admin/customers/${customer.id}`);
    return (
        <div className={css.viewAs} role="note">
            <div>
                <Eye size={18} aria-hidden="true" />
                <span>
                    You see <strong>{customer.company}</strong>'s pages as an admin, read only.
                </span>
            </div>
            <Button size="small" onClick={leave}>
                Back to the admin pages
            </Button>
        </div>
    );
}

export function AppShell() {
    return <Frame items={items} home="/app/dashboard" label="Main" head={<ViewAsBar />} />;
}
