// When the next attempt to connect is due.
import { BACK_OFF_SECONDS } from './limits';

/**
 * Milliseconds before attempt `attempt` (0 is the one at once). The jitter of up to a quarter keeps many
 * pages from coming back in the same moment; `random` is in 0..1.
 */
export function backOffMs(attempt: number, random: number): number {
  const last = BACK_OFF_SECONDS.length - 1;
  const seconds = BACK_OFF_SECONDS[Math.min(attempt, last)] ?? 0;
  return Math.round(seconds * 1000 * (1 + random / 4));
}
