/* The parts that all pages are made of. Behaviour and roles of dialogs, switches and tabs are Headless UI's. */
import { Dialog as HeadlessDialog, DialogPanel, DialogTitle, Switch as HeadlessSwitch, Tab, TabGroup, TabList, TabPanel, TabPanels } from '@headlessui/react';
import { AlertTriangle, ChevronDown, CircleAlert, CircleCheck, Info, Lock, RotateCw } from 'lucide-react';
import { type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useEffect, useId, useLayoutEffect, useRef } from 'react';
import { Link, Navigate, useLocation } from 'react-router-dom';

import { ApiError } from '../api/client';
import { useFocusOnLeave } from '../lib/focus';
import { formatCount } from '../lib/format';
import { showLoadFailed } from './toast';
import table from './table.module.css';
import css from './ui.module.css';

export type Tone = 'neutral' | 'good' | 'warn' | 'bad' | 'info';

/** Class names, those that are falsy left out. */
export function classes(...names: (string | false | undefined)[]): string {
    return names.filter(Boolean).join(' ');
}

/* --- buttons --- */

type Variant = 'primary' | 'secondary' | 'danger' | 'quiet';

interface ButtonLook {
    variant?: Variant;
    size?: 'normal' | 'small';
    wide?: boolean;
}

function buttonClass({ variant = 'secondary', size = 'normal', wide = false }: ButtonLook): string {
    return classes(css.button, css[variant], size === 'small' && css.small, wide && css.wide);
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement>, ButtonLook {
    /** Disabled, and a spinner before its text, while what it began goes on. */
    busy?: boolean;
}

/* Where the focus was last; the page has it when what had it became disabled. */
let lastFocused: EventTarget | null = null;
document.addEventListener('focusin', (event) => {
    lastFocused = event.target;
});

/*
 * What is disabled loses the focus. Where the focus was on the button or in its form when it became busy, it goes back
 * there in the end, or to the first field that is wrong.
 */
function useFocusBack(busy: boolean) {
    const button = useRef<HTMLButtonElement>(null);
    const left = useRef<HTMLElement>(null);
    useLayoutEffect(() => {
        const form = button.current?.form;
        if (busy) {
            const own = lastFocused instanceof HTMLElement && (lastFocused === button.current || form?.contains(lastFocused));
            left.current = own ? (lastFocused as HTMLElement) : null;
            return;
        }
        const lost = document.activeElement === null || document.activeElement === document.body;
        if (left.current !== null && lost) (form?.querySelector<HTMLElement>('[aria-invalid="true"]') ?? left.current).focus();
        left.current = null;
    }, [busy]);
    return button;
}

export function Button({ variant, size, wide, busy = false, disabled, children, type = 'button', className, ...rest }: ButtonProps) {
    const button = useFocusBack(busy);
    return (
        <button {...rest} ref={button} type={type} className={classes(buttonClass({ variant, size, wide }), className)} disabled={disabled || busy} aria-busy={busy || undefined}>
            {busy && <Spinner />}
            {children}
        </button>
    );
}

/** A page of the app, looking like a button. */
export function ButtonLink({ to, children, ...look }: ButtonLook & { to: string; children: ReactNode }) {
    return (
        <Link to={to} className={buttonClass(look)}>
            {children}
        </Link>
    );
}

/** An address outside of the app's pages (the API's redirects, another site), looking like a button. */
export function ButtonAnchor({ href, children, ...look }: ButtonLook & { href: string; children: ReactNode }) {
    return (
        <a href={href} className={buttonClass(look)}>
            {children}
        </a>
    );
}

export function IconButton({ label, children, className, ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { label: string }) {
    return (
        <button {...rest} type="button" aria-label={label} title={label} className={classes(css.button, css.quiet, css.iconOnly, className)}>
            {children}
        </button>
    );
}

/* --- surfaces --- */

interface CardProps {
    title?: ReactNode;
    note?: ReactNode;
    /** At the title's end: a badge, a button. */
    aside?: ReactNode;
    children?: ReactNode;
    className?: string;
}

/** A surface; with a title it is a section of that name. */
export function Card({ title, note, aside, children, className }: CardProps) {
    const id = useId();
    if (title === undefined) return <div className={classes(css.card, className)}>{children}</div>;
    return (
        <section className={classes(css.card, className)} aria-labelledby={id}>
            <div className={css.cardHead}>
                <div>
                    <h2 id={id}>{title}</h2>
                    {note !== undefined && <p>{note}</p>}
                </div>
                {aside}
            </div>
            {children}
        </section>
    );
}

/** A figure with its name. `exact` is shown on hover where `value` is rounded. */
export function Stat({ label, value, note, icon, exact }: { label: ReactNode; value: ReactNode; note?: ReactNode; icon?: ReactNode; exact?: string }) {
    return (
        <div className={classes(css.card, css.stat)}>
            <div className={css.statLabel}>
                {icon}
                {label}
            </div>
            <div className={css.statValue} title={exact}>
                {value}
            </div>
            {note !== undefined && <div className={css.statNote}>{note}</div>}
        </div>
    );
}

/** Names and values, one pair a line. */
export function Details({ rows }: { rows: [string, ReactNode][] }) {
    return (
        <dl className={css.details}>
            {rows.map(([name, value]) => (
                <DetailsRow key={name} name={name} value={value} />
            ))}
        </dl>
    );
}

function DetailsRow({ name, value }: { name: string; value: ReactNode }) {
    return (
        <>
            <dt>{name}</dt>
            <dd>{value}</dd>
        </>
    );
}

export function Badge({ tone = 'neutral', dot = false, children }: { tone?: Tone; dot?: boolean; children: ReactNode }) {
    return (
        <span className={classes(css.badge, tone !== 'neutral' && css[tone])}>
            {dot && <span className={css.dot} aria-hidden="true" />}
            {children}
        </span>
    );
}

const toneIcons = { neutral: Info, info: Info, good: CircleCheck, warn: AlertTriangle, bad: CircleAlert };

interface BannerProps {
    tone?: Tone;
    title?: ReactNode;
    children?: ReactNode;
    action?: ReactNode;
    /** Said to screen readers when it appears: for what comes after the page. */
    live?: boolean;
    className?: string;
}

export function Banner({ tone = 'info', title, children, action, live = false, className }: BannerProps) {
    const Icon = toneIcons[tone];
    return (
        <div className={classes(css.banner, tone !== 'neutral' && css[tone], className)} role={live ? (tone === 'bad' ? 'alert' : 'status') : undefined}>
            <Icon size={18} aria-hidden="true" />
            <div className={css.bannerBody}>
                {title !== undefined && <strong>{title}</strong>}
                {children !== undefined && <div>{children}</div>}
            </div>
            {action}
        </div>
    );
}

/** Sets the document's title too. One a page: it holds the page's h1. */
export function PageHead({ title, note, actions }: { title: string; note?: ReactNode; actions?: ReactNode }) {
    useTitle(title);
    return (
        <div className={css.pageHead}>
            <div>
                <h1>{title}</h1>
                {note !== undefined && <p>{note}</p>}
            </div>
            {actions !== undefined && <div className="row">{actions}</div>}
        </div>
    );
}

export function useTitle(title: string): void {
    useEffect(() => {
        document.title = `${title} · Lotcast`;
    }, [title]);
}

/* --- forms --- */

export function FieldError({ id, children }: { id: string; children: ReactNode }) {
    return (
        <div id={id} className={css.fieldError} role="alert">
            <CircleAlert size={15} aria-hidden="true" />
            <span>{children}</span>
        </div>
    );
}

interface FieldProps {
    label: string;
    hint?: ReactNode;
    /** What is wrong with the value; shown below it and read with it. */
    error?: string | undefined;
}

interface TextFieldProps extends FieldProps, InputHTMLAttributes<HTMLInputElement> {
    /** Shown inside, before the value: a currency's sign. */
    unit?: string;
}

function describedBy(id: string, hint: ReactNode, error: string | undefined): string | undefined {
    const ids = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean);
    return ids.length > 0 ? ids.join(' ') : undefined;
}

export function TextField({ label, hint, error, unit, id: givenId, ...input }: TextFieldProps) {
    const ownId = useId();
    const id = givenId ?? ownId;
    const control = <input {...input} id={id} className={css.input} aria-invalid={error !== undefined || undefined} aria-describedby={describedBy(id, hint, error)} />;
    return (
        <div className={css.field}>
            <label htmlFor={id} className={css.label}>
                {label}
            </label>
            {unit === undefined ? (
                control
            ) : (
                <div className={css.inputWithUnit}>
                    <span className={css.unit} aria-hidden="true">
                        {unit}
                    </span>
                    {control}
                </div>
            )}
            {hint !== undefined && (
                <div id={`${id}-hint`} className={css.hint}>
                    {hint}
                </div>
            )}
            {error !== undefined && <FieldError id={`${id}-error`}>{error}</FieldError>}
        </div>
    );
}

interface SelectFieldProps extends FieldProps, SelectHTMLAttributes<HTMLSelectElement> {
    /** The label is for screen readers alone. */
    hideLabel?: boolean;
}

/** The browser's own list of choices (`<option>` children). */
export function SelectField({ label, hint, error, hideLabel = false, id: givenId, ...select }: SelectFieldProps) {
    const ownId = useId();
    const id = givenId ?? ownId;
    return (
        <div className={css.field}>
            <label htmlFor={id} className={hideLabel ? 'visually-hidden' : css.label}>
                {label}
            </label>
            <div className={css.selectFrame}>
                <select {...select} id={id} className={classes(css.input, css.select)} aria-invalid={error !== undefined || undefined} aria-describedby={describedBy(id, hint, error)} />
                <ChevronDown size={17} aria-hidden="true" />
            </div>
            {hint !== undefined && (
                <div id={`${id}-hint`} className={css.hint}>
                    {hint}
                </div>
            )}
            {error !== undefined && <FieldError id={`${id}-error`}>{error}</FieldError>}
        </div>
    );
}

export function Switch({ checked, onChange, label, disabled = false, describedBy: description }: { checked: boolean; onChange: (checked: boolean) => void; label: string; disabled?: boolean; describedBy?: string }) {
    return <HeadlessSwitch className={css.switch} checked={checked} onChange={onChange} disabled={disabled} aria-label={label} aria-describedby={description} />;
}

/* --- waiting --- */

export function Spinner() {
    return <span className={css.spinner} aria-hidden="true" />;
}

/** `percent` undefined: how far it is isn't known. */
export function Progress({ percent, label }: { percent?: number; label: string }) {
    return <progress className={css.progress} max={100} value={percent} aria-label={label} />;
}

/** Where something will be; `height` and `width` are CSS lengths. */
export function Skeleton({ height = '1.2em', width = '100%' }: { height?: string; width?: string }) {
    return <span className={css.skeleton} style={{ height, width }} aria-hidden="true" />;
}

/** Said once to screen readers while a page loads; the skeletons are its children. */
export function Loading({ label = 'Loading', children }: { label?: string; children: ReactNode }) {
    return (
        <div aria-busy="true" className="stack">
            <span className="visually-hidden" role="status">
                {label}
            </span>
            {children}
        </div>
    );
}

/* --- states --- */

interface EmptyStateProps {
    icon: ReactNode;
    title: string;
    children?: ReactNode;
    action?: ReactNode;
    /** It is all that the page has: its title is the page's. */
    page?: boolean;
}

export function EmptyState({ icon, title, children, action, page = false }: EmptyStateProps) {
    const Title = page ? 'h1' : 'h2';
    return (
        <div className={css.state}>
            <div className={css.stateIcon} aria-hidden="true">
                {icon}
            </div>
            <Title className={css.stateTitle}>{title}</Title>
            {children !== undefined && <p>{children}</p>}
            {action !== undefined && <div className="row">{action}</div>}
        </div>
    );
}

interface ErrorStateProps {
    error: unknown;
    onRetry: () => void;
    busy?: boolean;
}

/** What a failed query shows in the place of its data, with a toast (data-flows.md, "Network Error"). */
export function ErrorState(props: ErrorStateProps) {
    if (props.error instanceof ApiError && props.error.code === 'FORBIDDEN') return <Forbidden />;
    return <LoadFailed {...props} />;
}

/* Customers have no admin pages, and admins no customer's pages of their own. */
function Forbidden() {
    const { pathname } = useLocation();
    if (!pathname.startsWith('/admin/')) return <Navigate to="/admin/customers" replace />;
    return (
        <EmptyState icon={<Lock />} title="This page is for admins" action={<ButtonLink to="/app/dashboard" variant="primary">Go to your dashboard</ButtonLink>}>
            Only people who work at Lotcast can see it. If you are one of them, log in with your admin account.
        </EmptyState>
    );
}

function LoadFailed({ error, onRetry, busy = false }: ErrorStateProps) {
    useEffect(() => {
        showLoadFailed(error);
    }, [error]);
    const message = error instanceof ApiError ? error.message : 'Something went wrong. Try again in a moment.';
    const place = useFocusOnLeave<HTMLDivElement>();
    return (
        <Card>
            <div className={css.state} role="alert" ref={place}>
                <div className={css.stateIcon} aria-hidden="true">
                    <AlertTriangle />
                </div>
                <h2>Could not load data</h2>
                <p>{message}</p>
                <Button onClick={onRetry} busy={busy}>
                    {!busy && <RotateCw size={16} aria-hidden="true" />}
                    Retry
                </Button>
            </div>
        </Card>
    );
}

/* --- dialog --- */

interface DialogProps {
    open: boolean;
    onClose: () => void;
    title: string;
    children?: ReactNode;
    /** The buttons at its end. */
    actions?: ReactNode;
    size?: 'normal' | 'large';
}

/** Modal; Escape and a click outside close it, and the focus goes back to where it was. */
export function Dialog({ open, onClose, title, children, actions, size = 'normal' }: DialogProps) {
    return (
        <HeadlessDialog open={open} onClose={onClose} className={css.dialog}>
            <div className={css.backdrop} aria-hidden="true" />
            <div className={css.dialogFrame}>
                <DialogPanel className={classes(css.dialogPanel, size === 'large' && css.large)}>
                    <DialogTitle as="h2">{title}</DialogTitle>
                    {children}
                    {actions !== undefined && <div className={css.dialogActions}>{actions}</div>}
                </DialogPanel>
            </div>
        </HeadlessDialog>
    );
}

/* --- tables --- */

export interface Column<Row> {
    key: string;
    title: ReactNode;
    cell: (row: Row) => ReactNode;
    /** Right-aligned figures. */
    end?: boolean;
}

interface TableProps<Row> {
    /** For screen readers. */
    caption: string;
    columns: Column<Row>[];
    rows: Row[];
    rowKey: (row: Row) => string;
    /** On small screens each row is a card of its own, its first cell the card's head. The columns' titles are texts. */
    cards?: boolean;
    /** It is all that the card holds. */
    alone?: boolean;
}

/** Inside of a Card it reaches the card's edges. */
export function Table<Row>({ caption, columns, rows, rowKey, cards = false, alone = false }: TableProps<Row>) {
    // The roles are said, because a row that is laid out as a card would lose them.
    return (
        <div className={classes(table.tableFrame, alone && table.alone)} role="region" aria-label={caption} tabIndex={0}>
            <table className={classes(table.table, cards && table.cards)} role="table">
                <caption className="visually-hidden">{caption}</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        {columns.map((column) => (
                            <th key={column.key} scope="col" role="columnheader" className={column.end ? table.end : undefined}>
                                {column.title}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {rows.map((row) => (
                        <tr key={rowKey(row)} role="row">
                            {columns.map((column) => (
                                <td key={column.key} role="cell" className={column.end ? table.end : undefined} data-title={typeof column.title === 'string' ? column.title : undefined}>
                                    {column.cell(row)}
                                </td>
                            ))}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

/** Which pages are shown of many: the first, the last, and those around the current one; 0 is a gap. */
export function pagesShown(page: number, totalPages: number): number[] {
    const wanted = new Set([1, totalPages, page - 1, page, page + 1]);
    const shown: number[] = [];
    for (let number = 1; number <= totalPages; number++) {
        if (wanted.has(number) || totalPages <= 7) shown.push(number);
        else if (shown.at(-1) !== 0) shown.push(0);
    }
    return shown;
}

interface PaginationProps {
    pagination: { page: number; limit: number; total: number; totalPages: number };
    onPage: (page: number) => void;
    /** What is counted: "items". */
    noun: string;
    disabled?: boolean;
}

export function Pagination({ pagination, onPage, noun, disabled = false }: PaginationProps) {
    const { page, limit, total, totalPages } = pagination;
    if (total === 0) return null;
    const first = (page - 1) * limit + 1;
    return (
        <nav className={table.pagination} aria-label="Pages">
            <span className="muted small number">
                {formatCount(first)}–{formatCount(Math.min(page * limit, total))} of {formatCount(total)} {noun}
            </span>
            {totalPages > 1 && (
                <div className={table.pages}>
                    <button type="button" className={table.page} disabled={disabled || page <= 1} onClick={() => onPage(page - 1)}>
                        Previous
                    </button>
                    {pagesShown(page, totalPages).map((number, index) =>
                        number === 0 ? (
                            <span key={`gap-${index}`} className={table.gap} aria-hidden="true">
                                …
                            </span>
                        ) : (
                            <button key={number} type="button" className={table.page} disabled={disabled} aria-current={number === page ? 'page' : undefined} aria-label={`Page ${number}`} onClick={() => onPage(number)}>
                                {formatCount(number)}
                            </button>
                        ),
                    )}
                    <button type="button" className={table.page} disabled={disabled || page >= totalPages} onClick={() => onPage(page + 1)}>
                        Next
                    </button>
                </div>
            )}
        </nav>
    );
}

/* --- tabs --- */

export function Tabs({ selected, onSelect, tabs, label }: { selected: number; onSelect: (index: number) => void; tabs: { title: string; content: ReactNode }[]; label: string }) {
    return (
        <TabGroup selectedIndex={selected} onChange={onSelect} className="stack">
            <TabList className={css.tabList} aria-label={label}>
                {tabs.map((tab) => (
                    <Tab key={tab.title} className={css.tab}>
                        {tab.title}
                    </Tab>
                ))}
            </TabList>
            <TabPanels>
                {tabs.map((tab) => (
                    <TabPanel key={tab.title} className="stack">
                        {tab.content}
                    </TabPanel>
                ))}
            </TabPanels>
        </TabGroup>
    );
}
