// The command's process: its streams, its signals and its exit status.
import { constants } from 'node:os';
import { dispatch } from './dispatch.ts';
import { EXIT } from './verb.ts';

let stopping: Promise<string> | undefined;

function stopRequested(): Promise<string> {
  stopping ??= new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(128 + constants.signals[signal]);
        asked = true;
        resolve(signal);
      });
    }
  });
  return stopping;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A gateway goes on without the reader of its log: only a signal ends it, and then in order.
  if (stopping !== undefined) return;
  // `sallyport replay … | head`: the reader has seen enough.
  process.exit(error.code === 'EPIPE' ? EXIT.fine : EXIT.bug);
});

// Nobody is left to be told.
process.stderr.on('error', () => undefined);

const status = await dispatch(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  stopRequested,
});
// A verb that has returned is done, whatever it left open; what it wrote goes out first.
process.stdout.write('', () => process.exit(status));
