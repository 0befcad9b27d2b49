import '@fontsource-variable/inter/wght.css';
import './styles/base.css';

import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router-dom';

import { queryClient } from './api/queries';
import { startTheme } from './lib/theme';
import { router } from './router';
import { Toasts } from './ui/toast';

startTheme();
createRoot(document.getElementById('root')!).render(
    <StrictMode>
        <QueryClientProvider client={queryClient}>
            <RouterProvider router={router} future={{ v7_startTransition: true }} />
            <Toasts />
        </QueryClientProvider>
    </StrictMode>,
);
