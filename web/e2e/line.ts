// A line between two machines that can be cut: what comes to its port is passed on, until it is not.
import { connect, createServer, type Server, type Socket } from 'node:net';

export class CutLine {
  #server: Server;
  #sockets = new Set<Socket>();
  #isCut = false;

  constructor(private readonly to: string) {
    this.#server = createServer((near) => {
      const [host, port] = this.to.split(':');
      if (this.#isCut) return near.destroy();
      const far = connect(Number(port), host);
      for (const [from, into] of [[near, far], [far, near]] as const) {
        this.#sockets.add(from);
        from.pipe(into);
        from.on('error', () => into.destroy());
        from.on('close', () => (this.#sockets.delete(from), into.destroy()));
      }
    });
  }

  /** Starts it; where it listens. */
  start(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(`127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
      });
    });
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
