import { useQueryClient } from '@tanstack/react-query';

/** What an admin's change makes old: the customer, the list, the ledger and the audit. */
export function useChanged(): () => void {
    const client = useQueryClient();
    return () => {
        for (const key of ['admin-customer', 'admin-customers', 'ledger', 'audit']) void client.invalidateQueries({ queryKey: [key] });
    };
}
