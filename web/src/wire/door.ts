// How the page gets in: a credential buys a ticket of 30 seconds, and the ticket opens one WebSocket.
//
// The credential is either a key of this browser that cannot be taken out of it (made when a one-time
// login link is opened), or a bearer token that a person pasted. Neither is ever part of a URL.

/** The part of a WebSocket that the link uses. */
export type Socket = Pick<
  WebSocket,
  'binaryType' | 'bufferedAmount' | 'onopen' | 'onmessage' | 'onclose' | 'onerror' | 'send' | 'close'
>;

/** What proves who the page is. */
export interface Credential {
  readonly kind: 'device' | 'token';
  /** The request headers or body that a ticket is given for. */
  prove(): Promise<{ headers: Record<string, string>; body: Record<string, unknown> }>;
}

/** Why the door stays shut. `final` means that trying again changes nothing. */
export class DoorError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }
}

/** Opens connections for the link. */
export interface Door {
  open(): Promise<Socket>;
}

const SUBPROTOCOL = 'quarterdeck.v1';
const TICKET_PREFIX = 'ticket.';
const PATHS = {
  login: '/v1/web/login',
  challenge: '/v1/web/challenge',
  ticket: '/v1/web/ticket',
  socket: '/v1/ws',
} as const;

/** The door of the server that the page came from. */
export class WebDoor implements Door {
  constructor(private readonly credential: Credential) {}

  async open(): Promise<Socket> {
    const { headers, body } = await this.credential.prove();
    const { ticket } = await post<{ ticket: string }>(PATHS.ticket, body, headers);
    const url = new URL(PATHS.socket, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return new WebSocket(url, [SUBPROTOCOL, TICKET_PREFIX + ticket]);
  }
}

/** A bearer token that a person pasted. */
export function tokenCredential(token: string): Credential {
  return {
    kind: 'token',
    prove: () => Promise.resolve({ headers: { authorization: `Bearer ${token}` }, body: {} }),
  };
}

/** A key of this browser, known to the server as `device`. */
export function deviceCredential(device: string, key: CryptoKey): Credential {
  return {
    kind: 'device',
    async prove() {
      const { challenge } = await post<{ challenge: string }>(PATHS.challenge, { device });
      return { headers: {}, body: { device, challenge, signature: await sign(key, challenge) } };
    },
  };
}

/** Trades the code of a one-time link for a device, whose private key stays in this browser. */
export async function enrol(code: string, name: string): Promise<{ device: string; key: CryptoKey }> {
  if (!crypto.subtle) throw new DoorError('a login link needs a page with TLS, or one of this machine', true);
  const extractable = false;
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, extractable, ['sign', 'verify']);
  const key = toBase64Url(await crypto.subtle.exportKey('spki', pair.publicKey));
  const { device } = await post<{ device: string }>(PATHS.login, { code, key, name });
  return { device, key: pair.privateKey };
}

async function sign(key: CryptoKey, challenge: string): Promise<string> {
  const bytes = new TextEncoder().encode(challenge);
  return toBase64Url(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, bytes));
}

function toBase64Url(buffer: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

const POST_TIMEOUT_MS = 8_000;

async function post<T>(path: string, body: Record<string, unknown>, headers: Record<string, string> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(POST_TIMEOUT_MS),
    });
  } catch {
    throw new DoorError('the server does not answer', false);
  }
  if (response.ok) return (await response.json()) as T;
  throw await refusal(response);
}

async function refusal(response: Response): Promise<DoorError> {
  const text = (await response.text().catch(() => '')).trim().slice(0, 200);
  const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1000;
  switch (response.status) {
    case 401:
      return new DoorError(text || 'the credential is not known', true);
    case 403:
      return new DoorError(text || 'this page may not connect', true);
    case 429:
      return new DoorError(text || 'too many wrong credentials', false, retryAfterMs);
    default:
      return new DoorError(`the server answered ${response.status}${text ? `: ${text}` : ''}`, false);
  }
}
