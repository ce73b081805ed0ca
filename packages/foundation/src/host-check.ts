/**
 * Which requests come from where they say. A page in a browser may send requests to a server on the same machine by a name of its
 * own that it has resolve to 127.0.0.1 (DNS rebinding); the Host header then has that name.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

export class HostCheck {
  private readonly allowed: ReadonlySet<string>;
  private readonly anyAddress: boolean;

  /**
   * @param host what the server listens on: an address of all interfaces is reached by any address of the machine.
   * @param names further names that the server is reached by.
   */
  constructor(host: string, names: readonly string[]) {
    this.allowed = new Set([...LOOPBACK, host, ...names].map((name) => name.toLowerCase()));
    this.anyAddress = host === '0.0.0.0' || host === '::';
  }

  /** What is foreign about a request: the name it asks for, or the page that sends it; undefined for one that may be answered. */
  foreign({ headers }: IncomingMessage): 'host' | 'origin' | undefined {
    const name = hostName(headers.host);
    if (name === undefined || !(this.allowed.has(name) || (this.anyAddress && isIP(name) !== 0)))
      return 'host';
    const { origin } = headers;
    return origin === undefined || isSameOrigin(origin, headers.host!) ? undefined : 'origin';
  }
}

/** The name in `name`, `name:port`, `[::1]:port`; undefined for anything else. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9.-]{1,253}))(?::\d{1,5})?$/i.exec(header ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function isSameOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase() === `http://${host.toLowerCase()}`;
}
