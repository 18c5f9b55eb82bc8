import { expect, test } from 'vitest';
import type { AuditEntry } from '../wire/generated';
import { auditLine } from './audit';

const line = (entry: Record<string, unknown>) => auditLine({ at: 1, ...entry } as AuditEntry);

test('an event says what happened, to what, and by whom', () => {
  const by = `h_${'0'.repeat(32)}/ada`;
  expect(line({ event: 'device_revoked', device: 'd_1', name: 'phone', by })).toEqual({
    what: 'Browser revoked',
    about: 'phone · by ada',
    tone: 'plain',
  });
  expect(line({ event: 'token_created', token: 'ci', scopes: ['read', 'drive'], principal: by, by }).about).toBe('ci · ada · read, drive · by ada');
  expect(line({ event: 'login_failed', peer: '::1', why: 'no' }).tone).toBe('bad');
});

test('what a newer server writes is shown with its own words', () => {
  expect(line({ event: 'moon_landed', crew: ['a', 'b'], n: 3 })).toEqual({ what: 'moon landed', about: 'a, b · 3', tone: 'plain' });
});
