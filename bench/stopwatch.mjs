/** Wall-clock and CPU seconds of all threads of this process, for the benches beside it. */
import { performance } from 'node:perf_hooks';

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

export class Stopwatch {
  seconds = 0;
  cpu = 0;

  /** Adds the time that `work` takes. */
  async time(work) {
    const [began, cpuBegan] = [performance.now(), cpuSeconds()];
    const result = await work();
    this.seconds += (performance.now() - began) / 1000;
    this.cpu += cpuSeconds() - cpuBegan;
    return result;
  }
}

/** Means over passes, as many as take `least` seconds. */
export async function timePasses(work, least = 0.3) {
  const watch = new Stopwatch();
  let passes = 0;
  do {
    await watch.time(work);
    passes++;
  } while (watch.seconds < least);
  return { seconds: watch.seconds / passes, cpu: watch.cpu / passes };
}
