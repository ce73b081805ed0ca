import { HttpClient, TransientFailure } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { Replica } from '../src/server/replica.js';
import { ServerConnection } from '../src/server/server-connection.js';
import { REAL_TIMING } from '../src/server/server-options.js';

const { signal } = new AbortController();

/** A replica under a clock that the test moves, and how often it was inspected. */
function replicaAt() {
  const state = { now: 0, inspections: 0 };
  const timing = { ...REAL_TIMING, now: () => state.now, random: () => 0.5 };
  const connection = new ServerConnection('http://localhost:1/v1', new HttpClient(undefined));
  const replica = new Replica(connection, 8, timing, () => Promise.resolve(void state.inspections++));
  const use = (failure?: TransientFailure) => {
    replica.reserve();
    return replica.use(() => (failure ? Promise.reject(failure) : Promise.resolve(1)), signal).catch(() => 0);
  };
  return { replica, state, use };
}

describe('a server', () => {
  it('that asks for time is left alone for as long, and no longer', async () => {
    const { replica, state, use } = replicaAt();
    await use(new TransientFailure('HTTP 429', 'overload', 7000));
    expect([replica.restsFor, replica.load]).toEqual([7000, Infinity]);
    state.now = 7000;
    expect([replica.restsFor, replica.load]).toEqual([0, 0]);
  });

  it('that loses one connection is inspected again; after two in a row it rests, longer each time', async () => {
    const { replica, state, use } = replicaAt();
    const lost = new TransientFailure('ECONNRESET', 'connection');
    await use();
    await use(lost);
    expect([replica.restsFor, state.inspections]).toEqual([0, 1]);
    await use(lost);
    expect([replica.restsFor, state.inspections]).toEqual([250, 2]);
    await use(lost);
    expect(replica.restsFor).toBe(500);
    // An answer ends the row of losses.
    state.now = 500;
    await use();
    await use(lost);
    expect(replica.restsFor).toBe(0);
  });

  it('that fails once otherwise does not rest', async () => {
    const { replica, state, use } = replicaAt();
    await use(new TransientFailure('HTTP 500', 'answer'));
    expect([replica.restsFor, replica.load, state.inspections]).toEqual([0, 0, 1]);
  });
});
