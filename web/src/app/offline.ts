// Whether the page can be an app of its own on this device, and what is missing where it cannot.

/** What a browser lets this page be. */
export type AppState =
  /** It can be installed, and opens also while its hub is away. */
  | { can: true }
  /** It cannot, and this would help. */
  | { can: false; why: 'no-tls' | 'untrusted' | 'unsupported' };

let state: Promise<AppState> | undefined;

/** Registers the service worker once, where the origin is trusted; what came of it. */
export function appState(): Promise<AppState> {
  state ??= register();
  return state;
}

async function register(): Promise<AppState> {
  if (!window.isSecureContext) return { can: false, why: 'no-tls' };
  if (!('serviceWorker' in navigator)) return { can: false, why: 'unsupported' };
  try {
    await navigator.serviceWorker.register('/sw.js');
    return { can: true };
  } catch {
    // a certificate that a person waved through is good enough for a page, and not for a worker
    return { can: false, why: location.protocol === 'https:' ? 'untrusted' : 'unsupported' };
  }
}

/** What a person can do about it. */
export const APP_WORDS: Record<'no-tls' | 'untrusted' | 'unsupported', string> = {
  'no-tls':
    'This page came without TLS, so the browser gives it no key of its own, no notifications and no place on the home screen. Start the hub with TLS and a certificate that this device trusts (qd up --cert FILE --key FILE), or behind a tunnel (--public-url https://HOST).',
  untrusted:
    'This device does not trust the certificate of this page. Give the hub one that it does: qd up --cert FILE --key FILE with one of a known authority, of a tunnel (--public-url https://HOST), or of a local authority that you install here (mkcert).',
  unsupported: 'This browser keeps no pages as apps, or not in this window.',
};
