/** The results as a page of Markdown: what was measured on what, against what the project asks of itself. */
import { cpus } from 'node:os';
import { PGBOUNCER, type Measured } from './subjects.ts';
import type { JudgingSpeed } from './judging.ts';
import type { Idle } from './memory.ts';
import { spreadOf, type Spread } from './statistics.ts';

export type Results = {
  readonly rounds: number;
  /** Processes that wanted a core before the benchmark began. */
  readonly loadBefore: number;
  readonly versions: { readonly postgres: string; readonly pgbench: string; readonly pgbouncer: string | undefined };
  readonly one: readonly Measured[];
  readonly sixteen: readonly Measured[];
  readonly bulk: readonly Measured[];
  readonly judging: JudgingSpeed;
  readonly idle: Idle;
};

export type Point = {
  readonly name: string;
  readonly value: string;
  readonly must: string;
  readonly goal: string;
  readonly met: boolean;
  /** Ratios of CPU: steady enough to decide the exit status. */
  readonly decides: boolean;
};

const ratio = ({ median, low, high }: Spread): string => `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

/** Every point of the goals that these results say something about. */
export function points(results: Results): Point[] {
  const { one, sixteen, bulk, judging, idle } = results;
  const found: Point[] = [];
  const add = (
    name: string,
    spread: Spread | undefined,
    must: number,
    goal: number,
    atMost: boolean,
    decides: boolean,
    counts = true,
  ): void => {
    if (spread === undefined) return;
    const sign = atMost ? '≤' : '≥';
    const met = counts && (atMost ? spread.median <= must : spread.median >= must);
    found.push({ name, value: ratio(spread), must: `${sign} ${must}`, goal: `${sign} ${goal}`, met, decides });
  };
  const of = (all: readonly Measured[], name: string): Measured | undefined => all.find((measured) => measured.name === name);
  add('`pgbench -S`, 1 client, prepared, full: rate to PgBouncer', of(one, 'full')?.rateToPgBouncer, 0.85, 0.95, false, false);
  add('the same, 16 clients', of(sixteen, 'full')?.rateToPgBouncer, 0.8, 0.95, false, false);
  add('CPU per transaction, 16 clients, full: to the bare relay', of(sixteen, 'full')?.cpuToRelay, 1.2, 1.0, true, true);
  add('1M rows × 6 columns, 2 masked, recorded: rate to PgBouncer', of(bulk, '+record+mask')?.rateToPgBouncer, 1.0, 1.1, false, false);
  add('the same with all detectors (full)', of(bulk, 'full')?.rateToPgBouncer, 0.95, 1.05, false, false);
  add('CPU seconds per 1M rows, 2 masked, recorded', of(bulk, '+record+mask')?.cpuUs, 0.4, 0.25, true, false);
  const single = (value: number): Spread => ({ median: value, low: value, high: value });
  add('statements/s on one core, decision cached (millions)', single(judging.cachedPerSecond / 1e6), 0.5, 1, false, false);
  add('new small statement, p50 (µs)', single(judging.newP50Us), 250, 120, true, false);
  // A batch that seems to have cost nothing was hidden by the garbage collector: no goal is met by that.
  const memory = spreadOf(idle.perConnectionKiB);
  add('RSS per idle connection (KiB)', memory, 48, 24, true, false, memory.low > 0);
  add('RSS before any of them (MiB)', single(idle.baseKiB / 1024), 160, 110, true, false);
  return found;
}

/** docs/benchmarks.md. */
export function page(results: Results): string {
  const { versions, rounds, loadBefore } = results;
  const [cpu] = cpus();
  return `# Benchmarks

Made by \`npm run bench\`: PostgreSQL ${versions.postgres}, pgbench ${versions.pgbench}, ${
    versions.pgbouncer === undefined ? 'no PgBouncer' : `PgBouncer ${versions.pgbouncer} in session mode`
  }, Node ${process.versions.node}, ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), everything on the same machine, load generator
included. ${rounds} rounds in random order; each value is the median of its rounds, with the smallest and the largest. Ratios are taken within a
round. The machine's load average was ${loadBefore.toFixed(1)} before the run began: above a tenth or so, it was not idle. Absolute times do not hold from run to run, and rates depend on what else the machine does: CPU per unit of work is the steadiest.

*relay* is \`a.pipe(b).pipe(a)\` in Node. *judged*: every statement is judged and recorded before it is sent, its rows are counted and hashed.
*+record* keeps the rows, *+mask* masks two of six columns (and the only column of \`pgbench -S\`), *+detect* runs all eight detectors over
all other text; *full* does all of it. In the large result the columns that *full* masks hold a match each, so that *+detect* alone replaces two
in every row: its worst case.

## Goals

| point | measured | must | goal | |
| --- | --- | --- | --- | --- |
${points(results)
  .map(({ name, value, must, goal, met }) => `| ${name} | ${value} | ${must} | ${goal} | ${met ? 'met' : '**missed**'} |`)
  .join('\n')}

## The price of each control

### \`pgbench -S -M prepared\`, 1 client

${table(results.one, 'transactions/s', 'µs per transaction')}

### \`pgbench -S -M prepared\`, 16 clients

${table(results.sixteen, 'transactions/s', 'µs per transaction')}

### One result of six columns and about 190 bytes a row

${table(results.bulk, 'rows/s', 's per 1M rows')}

SSH has [a page of its own](benchmarks-ssh.md).
`;
}

function table(all: readonly Measured[], unit: string, cost: string): string {
  const digits = unit === 'rows/s' ? 2 : 1;
  return [
    `| | ${unit} | to ${PGBOUNCER} | CPU, ${cost} | CPU to the relay |`,
    '| --- | --- | --- | --- | --- |',
    ...all.map(
      ({ name, rate, rateToPgBouncer, cpuUs, cpuToRelay }) =>
        `| ${name} | ${rate.median.toFixed(0)} | ${rateToPgBouncer === undefined ? '–' : ratio(rateToPgBouncer)} | ${cpuUs.median.toFixed(digits)} | ${ratio(cpuToRelay)} |`,
    ),
  ].join('\n');
}
