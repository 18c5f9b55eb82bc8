// What a person may do about who owns a session.
import type { LeaseView, Owner, Scope } from '../wire/generated';
import { personName } from './words';

/** Who the page is. */
export interface Me {
  client: string;
  principal: string;
  scopes: readonly Scope[];
}

/** Who owns a session, seen from this page. */
export type Standing = 'owner' | 'free' | 'same_person' | 'somebody' | 'reader';

/** What may be done. */
export type LeaseAction =
  | { do: 'take' }
  | { do: 'take_with_reason' }
  | { do: 'request'; waiting: boolean }
  | { do: 'release' }
  | { do: 'offer'; to: Owner };

export function standing(lease: LeaseView, me: Me | undefined): Standing {
  if (!me?.scopes.includes('drive')) return 'reader';
  if (lease.state === 'held' || lease.state === 'grace') {
    if (lease.owner.client === me.client) return 'owner';
    return isSamePerson(lease.owner.principal, me.principal) ? 'same_person' : 'somebody';
  }
  return 'free';
}

/**
 * A hub's user may act on the hub's own machine as the user of that machine, under the same name and
 * another issuer. Whether they are one is the relay's to say: who is not is refused there.
 */
const isSamePerson = (a: string, b: string): boolean => personName(a) === personName(b);

/** What this page may do, the most useful first. */
export function leaseActions(lease: LeaseView, me: Me | undefined): LeaseAction[] {
  switch (standing(lease, me)) {
    case 'reader':
      return [];
    case 'owner':
      return [...(lease.requested_by ?? []).map((to): LeaseAction => ({ do: 'offer', to })), { do: 'release' }];
    case 'free':
    case 'same_person':
      return [{ do: 'take' }];
    case 'somebody': {
      const waiting = (lease.requested_by ?? []).some(({ client }) => client === me?.client);
      const request: LeaseAction = { do: 'request', waiting };
      return me?.scopes.includes('admin') ? [request, { do: 'take_with_reason' }] : [request];
    }
  }
}
