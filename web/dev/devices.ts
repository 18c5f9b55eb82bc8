// Browsers that came by a one-time link, in the memory of the stand-in: their public keys and what they
// act as. What a hub does for good is described in README.md, "What the page asks of its server".
import { createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto';

const CODE_LIFE_MS = 5 * 60_000;
const CHALLENGE_LIFE_MS = 30_000;

const random = (): string => randomBytes(24).toString('base64url');

/** Something that is good once, and not for long. */
class Once<T> {
  #known = new Map<string, { value: T; until: number }>();

  constructor(private readonly lifeMs: number) {}

  make(value: T): string {
    const name = random();
    this.#known.set(name, { value, until: Date.now() + this.lifeMs });
    return name;
  }

  take(name: unknown): T | undefined {
    const known = this.#known.get(String(name));
    this.#known.delete(String(name));
    return known && known.until > Date.now() ? known.value : undefined;
  }
}

export class Devices {
  #codes = new Once<string>(CODE_LIFE_MS);
  #challenges = new Once<string>(CHALLENGE_LIFE_MS);
  #devices = new Map<string, { key: KeyObject; token: string }>();

  /** A code for a link; who comes by it acts with this token. */
  invite(token: string): string {
    return this.#codes.make(token);
  }

  /** The device that a code and a public key make, or nothing. */
  enrol(code: unknown, key: unknown): string | undefined {
    const token = this.#codes.take(code);
    if (!token || typeof key !== 'string') return undefined;
    const device = random();
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64url'), format: 'der', type: 'spki' });
    this.#devices.set(device, { key: publicKey, token });
    return device;
  }

  challenge(device: unknown): string | undefined {
    return this.#devices.has(String(device)) ? this.#challenges.make(String(device)) : undefined;
  }

  /** The token of a device that signed its challenge. */
  prove({ device, challenge, signature }: Record<string, unknown>): string | undefined {
    const known = this.#devices.get(String(device));
    if (!known || this.#challenges.take(challenge) !== device) return undefined;
    const key = { key: known.key, dsaEncoding: 'ieee-p1363' as const };
    const isRight = verify('sha256', Buffer.from(String(challenge)), key, Buffer.from(String(signature), 'base64url'));
    return isRight ? known.token : undefined;
  }
}
