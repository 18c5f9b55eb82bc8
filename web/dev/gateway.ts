// The part of a hub that the page needs while it is developed and tested: it serves the page's own
// endpoints (see "What the page asks of its server" in README.md) and passes the wire on to one relay or
// hub. Node and the `ws` package only; never part of what is shipped.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { Devices } from './devices.ts';

const SUBPROTOCOL = 'quarterdeck.v1';
const TICKET_PREFIX = 'ticket.';
const TICKET_LIFE_MS = 30_000;
const MAX_BODY_BYTES = 16 * 1024;

/** An answer: its status, and what it says. */
type Answer = [number, object | string];
const REFUSED: Answer = [401, 'the code or key is not known\n'];

/** Serves `/v1/web/…` and `/v1/ws` of a page from one relay. */
export class Gateway {
  /** Tickets that were given out, each with the token behind it. */
  #tickets = new Map<string, { token: string; until: number }>();
  #devices = new Devices();
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });

  constructor(private readonly relayUrl: string) {}

  /** Answers a request that is the gateway's; false for all others. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const { url = '', method } = request;
    if (!url.startsWith('/v1/web/') || method !== 'POST') return false;
    void this.#answer(url, request).then(([status, body]) => {
      const isText = typeof body === 'string';
      response.writeHead(status, {
        'content-type': isText ? 'text/plain' : 'application/json',
        'cache-control': 'no-store',
      });
      response.end(isText ? body : JSON.stringify(body));
    });
    return true;
  }

  /** Takes over WebSocket upgrades of `server`. */
  attach(server: Pick<Server, 'on'>): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url !== '/v1/ws') return;
      const token = this.#redeem(request);
      if (!token) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#connect(client, token));
    });
  }

  async #answer(url: string, request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request);
    const bearer = /^Bearer (qdt_[\w-]+)$/.exec(request.headers.authorization ?? '')?.[1];
    switch (url) {
      case '/v1/web/invite':
        // only here: a hub's link comes from `qd open`
        return bearer ? [200, { code: this.#devices.invite(bearer) }] : REFUSED;
      case '/v1/web/login': {
        const device = this.#devices.enrol(body.code, body.key);
        return device ? [200, { device }] : [401, 'the link was used already or is too old\n'];
      }
      case '/v1/web/challenge': {
        const challenge = this.#devices.challenge(body.device);
        return challenge ? [200, { challenge }] : REFUSED;
      }
      case '/v1/web/ticket':
        return this.#ticket(bearer ?? this.#devices.prove(body));
      default:
        return [404, 'no such endpoint\n'];
    }
  }

  async #ticket(token: string | undefined): Promise<Answer> {
    if (!token) return REFUSED;
    const status = await this.#check(token);
    if (status === 401) return [401, 'the token is not known\n'];
    if (status !== 101) return [503, 'the relay does not answer\n'];
    const ticket = randomBytes(24).toString('base64url');
    this.#tickets.set(ticket, { token, until: Date.now() + TICKET_LIFE_MS });
    return [200, { ticket }];
  }

  #redeem(request: IncomingMessage): string | undefined {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((word) => word.trim());
    const ticket = offered.find((word) => word.startsWith(TICKET_PREFIX))?.slice(TICKET_PREFIX.length) ?? '';
    const known = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    return known && known.until > Date.now() ? known.token : undefined;
  }

  /** The relay's own answer to this token: 101 when it would be let in, 503 when it does not answer. */
  #check(token: string): Promise<number> {
    return new Promise((resolve) => {
      const probe = this.#dial(token);
      probe.on('open', () => {
        resolve(101);
        probe.close();
      });
      probe.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 503));
      probe.on('error', () => resolve(503));
    });
  }

  #connect(client: WebSocket, token: string): void {
    const relay = this.#dial(token);
    const early: { data: Buffer; binary: boolean }[] = [];
    client.on('message', (data: Buffer, binary) => {
      if (relay.readyState === WebSocket.OPEN) relay.send(data, { binary });
      else early.push({ data, binary });
    });
    relay.on('open', () => early.splice(0).forEach(({ data, binary }) => relay.send(data, { binary })));
    relay.on('message', (data: Buffer, binary) => client.send(data, { binary }));
    relay.on('error', () => client.close(1011, 'the relay does not answer'));
    relay.on('close', () => client.close(1011, 'the relay closed the connection'));
    client.on('close', () => relay.terminate());
    client.on('error', () => relay.terminate());
  }

  #dial(token: string): WebSocket {
    return new WebSocket(`${this.relayUrl}/v1/ws`, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
  }
}

/** A request's body; empty when it is no JSON object. */
async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const piece of request) {
    text += String(piece);
    if (text.length > MAX_BODY_BYTES) return {};
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
