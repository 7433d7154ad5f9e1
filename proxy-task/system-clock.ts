import type { Clock } from './ports.ts';

/** The machine's own clock. Timers do not keep the process alive: sockets and servers do. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monoUs: () => performance.now() * 1_000,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
