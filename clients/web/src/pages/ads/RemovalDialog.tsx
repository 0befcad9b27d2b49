/* Before most of the items are removed: an outage of the website must not empty the catalog by itself. */
import { formatCount } from '../../lib/format';
import { Button, Dialog } from '../../ui';

interface Props {
    open: boolean;
    /** What the inventory holds now. */
    itemCount: number;
    onClose: () => void;
    onConfirm: () => void;
}

export function RemovalDialog({ open, itemCount, onClose, onConfirm }: Props) {
    return (
        <Dialog
            open={open}
            onClose={onClose}
            title="Remove most of your items?"
            actions={
                <>
                    <Button onClick={onClose} autoFocus>
                        Keep my items
                    </Button>
                    <Button variant="danger" onClick={onConfirm}>
                        Remove and sync
                    </Button>
                </>
            }
        >
            <div className="stack-s">
                <p>We found fewer than half of your {formatCount(itemCount)} items on your website this time, so nothing was removed yet.</p>
                <p className="muted">If your website was down or is being rebuilt, keep your items and sync later. If they are really gone, remove them: their ads stop.</p>
            </div>
        </Dialog>
    );
}
