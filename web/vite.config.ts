import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Server } from 'node:http';
import { defineConfig, type Plugin } from 'vitest/config';
import { Gateway } from './dev/gateway.ts';

/**
 * What a hub sends with the page; a test of the hub compares them. xterm.js draws with style elements and attributes, so
 * those are allowed; no script is but the page's own files.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
};

/** Stands in for a hub: `QD_RELAY=ws://127.0.0.1:7717 npm run dev`. */
function gateway(): Plugin {
  const relay = process.env.QD_RELAY ?? 'ws://127.0.0.1:7717';
  const serve = (server: { middlewares: { use: Function }; httpServer: unknown }): void => {
    const gate = new Gateway(relay);
    server.middlewares.use((request: never, response: never, next: () => void) => {
      if (!gate.handle(request, response)) next();
    });
    if (server.httpServer) gate.attach(server.httpServer as Server);
  };
  return { name: 'quarterdeck-gateway', configureServer: serve, configurePreviewServer: serve };
}

export default defineConfig({
  plugins: [svelte({ configFile: false }), gateway()],
  server: { host: '127.0.0.1', port: 7780 },
  preview: { host: '127.0.0.1', headers: HEADERS },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { include: ['src/**/*.test.ts', 'scripts/*.test.mjs'] },
});
