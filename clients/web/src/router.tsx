/* The pages, each loaded when it is first gone to, and what ends a session for all of them. */
import { Navigate, type RouteObject, createBrowserRouter } from 'react-router-dom';

import { onUnauthorized } from './api/client';
import { forgetSession } from './lib/session';
import { AdminShell } from './shell/AdminShell';
import { AppShell } from './shell/AppShell';
import { AuthShell } from './shell/AuthShell';
import { NotFound, PageError, RouteError } from './shell/RouteError';
import { OnboardingShell } from './shell/OnboardingShell';

/* A page that fails leaves its shell standing. */
const inShell = (children: RouteObject[]): RouteObject[] => [{ errorElement: <PageError />, children }];

export const router = createBrowserRouter(
    [
        {
            errorElement: <RouteError />,
            // Until the first page's code is here.
            hydrateFallbackElement: <></>,
            children: [
                { path: '/', element: <Navigate to="/app/dashboard" replace /> },
                {
                    element: <AuthShell />,
                    children: inShell([
                        { path: '/signup', lazy: () => import('./pages/auth/SignUp') },
                        { path: '/login', lazy: () => import('./pages/auth/LogIn') },
                    ]),
                },
                {
                    path: '/onboarding',
                    element: <OnboardingShell />,
                    children: inShell([
                        { index: true, element: <Navigate to="/onboarding/start" replace /> },
                        { path: 'start', lazy: () => import('./pages/onboarding/Start') },
                        { path: 'connect', lazy: () => import('./pages/onboarding/Connect') },
                        { path: 'launch', lazy: () => import('./pages/onboarding/Launch') },
                    ]),
                },
                {
                    path: '/app',
                    element: <AppShell />,
                    children: inShell([
                        { index: true, element: <Navigate to="/app/dashboard" replace /> },
                        { path: 'dashboard', lazy: () => import('./pages/dashboard/Dashboard') },
                        { path: 'ads', lazy: () => import('./pages/ads/Ads') },
                        { path: 'performance', lazy: () => import('./pages/performance/Performance') },
                        { path: 'inventory', lazy: () => import('./pages/inventory/Inventory') },
                        { path: 'billing', lazy: () => import('./pages/billing/Billing') },
                        { path: 'settings', lazy: () => import('./pages/settings/Settings') },
                        { path: 'templates', lazy: () => import('./pages/templates/Templates') },
                        { path: '*', element: <NotFound /> },
                    ]),
                },
                {
                    path: '/admin',
                    element: <AdminShell />,
                    children: inShell([
                        { index: true, element: <Navigate to="/admin/customers" replace /> },
                        { path: 'customers', lazy: () => import('./pages/admin/Customers') },
                        { path: 'customers/:id', lazy: () => import('./pages/admin/Customer') },
                        { path: 'audit', lazy: () => import('./pages/admin/Audit') },
                        { path: '*', element: <NotFound /> },
                    ]),
                },
                {
                    path: '*',
                    element: (
                        <main>
                            <NotFound />
                        </main>
                    ),
                },
            ],
        },
    ],
    {
        future: {
            v7_relativeSplatPath: true,
            v7_fetcherPersist: true,
            v7_normalizeFormMethod: true,
            v7_partialHydration: true,
            v7_skipActionErrorRevalidation: true,
        },
    },
);

// A 401 clears the session and goes to the log-in, which comes back here (data-flows.md, "Auth Error").
onUnauthorized(() => {
    const { pathname, search } = router.state.location;
    forgetSession();
    if (pathname !== '/login' && pathname !== '/signup') void router.navigate(`/login?next=${encodeURIComponent(pathname + search)}`, { replace: true });
});
