import { ScrollText, Users } from 'lucide-react';

import { Frame, type NavItem } from './Frame';

const items: NavItem[] = [
    { to: '/admin/customers', name: 'Customers', Icon: Users },
    { to: '/admin/audit', name: 'Audit', Icon: ScrollText },
];

export function AdminShell() {
    return <Frame items={items} home="/admin/customers" label="Admin pages" />;
}
