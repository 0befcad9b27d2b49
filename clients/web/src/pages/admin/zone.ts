/** Admins see moments in their own zone; a customer's pages show them in the customer's. */
export const adminZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
