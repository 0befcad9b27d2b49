import { defineConfig } from 'vite';

// `npm run dev` shows the pages with the API of a running Lotcast, whose LOTCAST_PUBLIC_URL is the dev server's
// (http://localhost:5173): requests are then its own pages', and Meta and Stripe lead back to here.
const api = process.env.LOTCAST_URL ?? 'http://127.0.0.1:8080';
const page = (request: { headers: { accept?: string } }) => (request.headers.accept?.startsWith('text/html') ? '/index.html' : undefined);

export default defineConfig({
    build: {
        target: 'es2022',
        // The facade's CSP has no data: for fonts and styles, and small files cost little over one connection.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
    },
    server: {
        proxy: {
            '/api': { target: api },
            '/admin/customers': { target: api, bypass: page },
            '/admin/audit': { target: api, bypass: page },
        },
    },
});
