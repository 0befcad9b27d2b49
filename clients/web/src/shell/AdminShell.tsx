import { useQueryClient } from '@tanstack/react-query';
import { ScrollText, Users } from 'lucide-react';
import { useEffect } from 'react';

import { setViewAs, viewAsId } from '../lib/view-as';
import { Frame, type NavItem } from './Frame';

const items: NavItem[] = [
    { to: '/admin/customers', name: 'Customers', Icon: Users },
    { to: '/admin/audit', name: 'Audit', Icon: ScrollText },
];

/* Here, and not on the way, an admin stops looking at a customer: no page that is still shown then asks again for itself. */
function useEndViewAs(): void {
    const client = useQueryClient();
    useEffect(() => {
        if (viewAsId() === null) return;
        setViewAs(null);
        client.removeQueries({ type: 'inactive' });
    }, [client]);
}

export function AdminShell() {
    useEndViewAs();
    return <Frame items={items} home="/admin/customers" label="Admin pages" />;
}
