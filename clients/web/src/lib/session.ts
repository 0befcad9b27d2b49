import { queryClient } from '../api/queries';
import { clearToasts } from '../ui/toast';
import { setViewAs } from './view-as';

/** Forgets what the last user saw. */
export function forgetSession(): void {
    setViewAs(null);
    queryClient.clear();
    clearToasts();
}
