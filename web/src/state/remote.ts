// What a vendor's Remote Control says of itself, in words.
import type { RemoteFinding, RemoteInfo, RemoteReport } from '../wire/generated';

export interface RemoteWords {
  text: string;
  advice?: string;
  isBad: boolean;
}

export function remoteWords(remote: RemoteInfo): RemoteWords {
  const said = (text: string): RemoteWords => ({ text, isBad: false });
  switch (remote.state) {
    case 'starting':
      return said('Starting');
    case 'running':
      return said('Session running; whether an app has joined cannot be told');
    case 'asking':
      return said(`It asks on its terminal: ${remote.question}`);
    case 'waiting_for_pairing':
      return said('Session running, waiting for an app');
    case 'connected':
      return said('Connected');
    case 'reconnecting':
      return said('Reconnecting');
    case 'failed':
      return { text: `Failed: ${remote.reason}`, advice: remote.advice ?? undefined, isBad: true };
    case 'ended':
      return said('Ended');
    default:
      return said('In a state that this page does not know');
  }
}

/** The first thing that stands in the way. */
export function blocker(report: RemoteReport): RemoteFinding | undefined {
  return report.findings.find(({ level }) => level === 'blocked');
}

export function vendorName(vendor: string): string {
  return { claude: 'Claude Remote Control', codex: 'Codex Remote Control' }[vendor] ?? vendor;
}
