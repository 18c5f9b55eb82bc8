// The part of a hub that the page needs while it is developed and tested: it serves the page's own
// endpoints (see "What the page asks of its server" in README.md) and passes the wire on to one relay.
//
// Node and the `ws` package only; never part of what is shipped.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';

const SUBPROTOCOL = 'quarterdeck.v1';
const TICKET_PREFIX = 'ticket.';
const TICKET_LIFE_MS = 30_000;

/** Serves `/v1/web/ticket` and `/v1/ws` of a page from one relay. */
export class Gateway {
  /** Tickets that were given out, each with the token behind it. */
  #tickets = new Map<string, { token: string; until: number }>();
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });

  constructor(private readonly relayUrl: string) {}

  /** Answers a request that is the gateway's; false for all others. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.url !== '/v1/web/ticket' || request.method !== 'POST') return false;
    request.resume();
    const token = /^Bearer (qdt_[\w-]+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!token) {
      response.writeHead(401).end('a bearer token is needed\n');
      return true;
    }
    void this.#check(token).then((status) => {
      if (status !== 101) {
        response.writeHead(status).end(status === 401 ? 'the token is not known\n' : 'the relay does not answer\n');
        return;
      }
      const ticket = randomBytes(24).toString('base64url');
      this.#tickets.set(ticket, { token, until: Date.now() + TICKET_LIFE_MS });
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ ticket }));
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
