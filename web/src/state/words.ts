// What people read: states, sizes, times and money in words.
import type { ExitStatus, LeaseView, SessionInfo } from '../wire/generated';

/** How a state is drawn: shape and colour say the same thing. */
export type Tone = 'run' | 'wait' | 'idle' | 'warn' | 'bad' | 'off' | 'far';

/** A session's state in one or two words, with its tone. */
export function stateWords(info: SessionInfo): { word: string; tone: Tone; detail?: string } {
  switch (info.state) {
    case 'starting':
      return { word: 'starting', tone: 'run' };
    case 'running':
      return { word: 'running', tone: 'run' };
    case 'waiting':
      return { word: 'waits for you', tone: 'wait' };
    case 'idle':
      return { word: 'idle', tone: 'idle' };
    case 'stalled':
      return { word: 'stalled', tone: 'warn', detail: info.why.replaceAll('_', ' ') };
    case 'exited':
      return { ...exitWords(info.status), detail: `ended ${ago(info.at / 1000, Date.now())}` };
    case 'lost':
      return { word: 'lost', tone: 'bad', detail: info.why };
    case 'unreachable':
      return { word: 'unreachable', tone: 'far', detail: `last seen ${ago(info.since / 1000, Date.now())}` };
  }
}

/** How a program ended. */
export function exitWords(status: ExitStatus): { word: string; tone: Tone } {
  switch (status.status) {
    case 'code':
      return status.code === 0 ? { word: 'exited', tone: 'off' } : { word: `exited ${status.code}`, tone: 'bad' };
    case 'signal':
      return { word: `signal ${status.signal}`, tone: 'bad' };
    case 'oom':
      return { word: 'out of memory', tone: 'bad' };
    default:
      return { word: 'exited', tone: 'off' };
  }
}

/** Whether its program has ended. */
export const hasEnded = (info: SessionInfo): boolean => info.state === 'exited' || info.state === 'lost';

/** The name behind `issuer/name`. */
export const personName = (principal: string): string => principal.slice(principal.indexOf('/') + 1);

/** Who owns a session, in a few words. */
export function ownerWords(lease: LeaseView, me: string | undefined): string {
  switch (lease.state) {
    case 'free':
      return 'nobody owns it';
    case 'held':
      return lease.owner.client === me ? 'you own it' : `${personName(lease.owner.principal)} · ${lease.owner.name}`;
    case 'grace':
      return lease.owner.client === me ? 'yours, reconnecting' : `${personName(lease.owner.principal)} is away`;
    default:
      return 'unknown owner';
  }
}

/** `12.3 kB` */
export function bytes(count: number): string {
  if (count < 1000) return `${count} ${count === 1 ? 'byte' : 'bytes'}`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = -1;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `just now`, `4 min ago`, `3 h ago`, `2 d ago` */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - thenMs) / 1000);
  if (seconds < 45) return 'just now';
  return `${duration(seconds)} ago`;
}

/** `45 s`, `4 min`, `3 h`, `2 d` */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `$0.25`, `€1.50`, `0.25 XYZ` */
export function money({ amount_micros, currency }: { amount_micros: number; currency: string }): string {
  const value = amount_micros / 1e6;
  try {
    const digits = value !== 0 && value < 0.01 ? 4 : 2;
    const style = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits } as const;
    return new Intl.NumberFormat('en', style).format(value);
  } catch {
    return `${value.toFixed(2)} ${currency}`;
  }
}

/** `1.2k`, `34k`, `1.5M` */
export function count(value: number): string {
  if (value < 1000) return String(value);
  const [scaled, unit] = value < 1e6 ? [value / 1e3, 'k'] : [value / 1e6, 'M'];
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)}${unit}`;
}

/** A path with the home directory shortened. */
export const shortPath = (path: string): string => path.replace(/^\/(?:home|Users)\/[^/]+(?=\/|$)/, '~').replace(/^\/root(?=\/|$)/, '~');
