import { Link } from 'react-router-dom';

import icon from '../icon.svg';
import css from './shell.module.css';

export function Brand({ to }: { to: string }) {
    return (
        <Link to={to} className={css.brand}>
            <img src={icon} alt="" />
            Lotcast
        </Link>
    );
}

/** The first thing that the keyboard reaches: past the navigation. */
export function SkipLink() {
    return (
        <a href="#main" className={css.skip}>
            Skip to the page
        </a>
    );
}
