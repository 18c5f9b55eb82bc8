// A line of the journal, in words.
import type { AuditEntry } from '../wire/generated';

/** What stands in one line: what happened, to what or to whom, and by whom. */
export interface AuditLine {
  what: string;
  about: string;
  tone: 'good' | 'bad' | 'plain';
}

const WORDS: Record<string, { what: string; about: string[]; tone?: AuditLine['tone'] }> = {
  started: { what: 'Started', about: ['version'] },
  stopped: { what: 'Stopped', about: ['why'] },
  login_ok: { what: 'Came in', about: ['principal', 'name', 'token', 'peer'], tone: 'good' },
  login_failed: { what: 'Refused at the door', about: ['peer', 'token', 'why'], tone: 'bad' },
  logins_suppressed: { what: 'More refused, not listed', about: ['count'], tone: 'bad' },
  lockout: { what: 'Locked out', about: ['peer', 'seconds'], tone: 'bad' },
  token_created: { what: 'Token made', about: ['token', 'principal', 'scopes', 'by'] },
  token_rotated: { what: 'Token rotated', about: ['token', 'by'] },
  token_revoked: { what: 'Token revoked', about: ['token', 'by'] },
  device_invited: { what: 'Login link made', about: ['name', 'principal', 'scopes', 'by'] },
  device_added: { what: 'Browser logged in', about: ['name', 'principal', 'scopes', 'peer'], tone: 'good' },
  device_revoked: { what: 'Browser revoked', about: ['name', 'by'] },
  hub_paired: { what: 'Hub paired', about: ['name', 'scopes', 'peer'] },
  hub_revoked: { what: 'Hub forgotten', about: ['hub', 'by'] },
  machine: { what: 'Machine', about: ['label', 'what', 'why', 'by'] },
  instance: { what: 'Instance', about: ['name', 'what', 'by'] },
  lease_taken: { what: 'Session taken', about: ['session', 'from', 'reason', 'by'] },
  session_created: { what: 'Session started', about: ['label', 'program', 'by'] },
  session_removed: { what: 'Session removed', about: ['session', 'by'] },
  refused: { what: 'Refused', about: ['method', 'why', 'by'], tone: 'bad' },
  dropped: { what: 'Events are missing here', about: ['count'], tone: 'bad' },
};

/** What a newer server writes is shown with its own words. */
export function auditLine(entry: AuditEntry): AuditLine {
  const { at: _at, event, ...fields } = entry as AuditEntry & Record<string, unknown>;
  const known = WORDS[event];
  const names = known?.about.filter((name) => name in fields) ?? Object.keys(fields);
  const about = names.map((name) => (name === 'by' ? `by ${show(fields[name])}` : show(fields[name])));
  return { what: known?.what ?? event.replaceAll('_', ' '), about: about.join(' · '), tone: known?.tone ?? 'plain' };
}

/** A principal without who vouches for it; lists by commas. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.map(show).join(', ');
  if (typeof value !== 'string') return JSON.stringify(value) ?? '';
  return /^[rh]_[0-9a-f]{32}\/(.+)$/.exec(value)?.[1] ?? value;
}
