// What this browser keeps for the page. Everything works without it: private windows may have none.
import { type Credential, deviceCredential, tokenCredential } from '../wire/door';
import type { TicketStore } from '../wire/link';

const DATABASE = 'quarterdeck';
const STORE = 'credentials';
const CURRENT = 'current';

/** What is kept of a credential. The key of a device cannot be read, only used. */
type Kept = { kind: 'token'; token: string } | { kind: 'device'; device: string; key: CryptoKey };

export async function loadCredential(): Promise<Credential | undefined> {
  const kept = await transaction<Kept | undefined>('readonly', (store) => store.get(CURRENT)).catch(() => undefined);
  if (kept?.kind === 'token') return tokenCredential(kept.token);
  if (kept?.kind === 'device') return deviceCredential(kept.device, kept.key);
  return undefined;
}

/** Keeps it; false where the browser keeps nothing, so that it lasts as long as the page. */
export async function keepCredential(kept: Kept): Promise<boolean> {
  return transaction('readwrite', (store) => store.put(kept, CURRENT)).then(
    () => true,
    () => false,
  );
}

export async function forgetCredential(): Promise<void> {
  await transaction('readwrite', (store) => store.delete(CURRENT)).catch(() => undefined);
}

function transaction<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error ?? new Error('no storage'));
    opening.onsuccess = () => {
      const database = opening.result;
      const request = act(database.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('no storage'));
      request.transaction?.addEventListener('complete', () => database.close());
    };
  });
}

/** Text by name, for this browser. */
export function loadText(name: string): string | null {
  try {
    return localStorage.getItem(`quarterdeck.${name}`);
  } catch {
    return null;
  }
}

export function saveText(name: string, text: string): void {
  try {
    localStorage.setItem(`quarterdeck.${name}`, text);
  } catch {
    // it is forgotten with the page
  }
}

/** Words by name, for this tab and its reloads. */
export function loadTab(name: string): string[] {
  try {
    const words: unknown = JSON.parse(sessionStorage.getItem(`quarterdeck.${name}`) ?? '[]');
    return Array.isArray(words) ? words.map(String) : [];
  } catch {
    return [];
  }
}

export function saveTab(name: string, words: string[]): void {
  try {
    sessionStorage.setItem(`quarterdeck.${name}`, JSON.stringify(words));
  } catch {
    // it is forgotten with the page
  }
}

/**
 * The client's ticket, for this tab: after a reload the page is the same client and still owns what it
 * owned. A duplicated tab has a copy of it, so the first to lock the ticket keeps it.
 */
export async function tabTickets(): Promise<TicketStore> {
  const name = 'quarterdeck.ticket';
  let ticket = read(name);
  if (ticket && !(await lock(ticket))) ticket = undefined;
  return {
    load: () => ticket,
    save: (next) => {
      if (next === ticket) return;
      ticket = next;
      void lock(next);
      try {
        sessionStorage.setItem(name, next);
      } catch {
        // a reload is then a new client
      }
    },
  };
}

const read = (name: string): string | undefined => {
  try {
    return sessionStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
};

/** Holds a lock for the life of the page; false when another page has it. A reload may need a moment. */
async function lock(ticket: string): Promise<boolean> {
  if (!('locks' in navigator)) return true;
  const name = `quarterdeck.${await digest(ticket)}`;
  const patience = AbortSignal.timeout(1_000);
  return new Promise((resolve) => {
    navigator.locks
      .request(name, { signal: patience }, () => {
        resolve(true);
        return new Promise<void>(() => {});
      })
      .catch(() => resolve(false));
  });
}

async function digest(text: string): Promise<string> {
  if (!crypto.subtle) return text.slice(0, 8);
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
