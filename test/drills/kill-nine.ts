// The gateway is killed in the middle of a load, again and again; then its evidence is held against PostgreSQL's own log.
// By hand: `node --import tsx test/drills/kill-nine.ts [kills] [seed]`.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { verifyEvidence, type Verification } from '../../core/evidence/verify.ts';
import { startDemoIssuer } from '../../standalone/demo/issuer.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { approvalsAt, DEFAULT_POLICIES, settingsText } from '../support/gateway.ts';
import { startPostgres } from '../support/postgres.ts';
import { LOAD, LOAD_TABLE, startLoad } from './kill-load.ts';
import { loggedStatements, type LoggedStatement } from './postgres-log.ts';
import { recordedSessions, type RecordedSessions } from './recorded-statements.ts';
import { seededRandom } from './seeded-random.ts';
import { serve, type ServingGateway } from './serving-gateway.ts';

const CLIENTS = 4;
/** A kill comes after this many statements and answers at most: moments from the first login to a busy gateway. */
const MAX_STEPS = 240;
const NEEDS_APPROVAL = "UPDATE approved SET v = v || '!' WHERE id = 1";

export type Drill = {
  readonly seed: number;
  /** Sessions that were open at each kill. */
  readonly openAtKill: readonly number[];
  readonly logged: readonly LoggedStatement[];
  readonly recorded: RecordedSessions;
  readonly verification: Verification;
  /** What `sallyport verify` says to an examiner. */
  readonly verify: { readonly status: number; readonly output: string };
  /** Marks of inserts that clients were told of, and those that the table has. */
  readonly acknowledged: ReadonlySet<number>;
  readonly written: readonly number[];
  /** The statement that waited for people across a kill. */
  readonly approval: {
    readonly idBefore: string;
    readonly idAfter: string;
    readonly answered: number;
    readonly rowCount: number | null;
    readonly rows: unknown;
  };
  readonly exitStatus: number | null;
};

/** Runs the drill; `say` hears how far it is. */
export async function killNine(kills: number, seed: number, say: (line: string) => void): Promise<Drill> {
  const random = seededRandom(seed);
  const root = mkdtempSync(join(tmpdir(), 'sallyport-test-drill-'));
  const [configDir, dataDir, issuerDir] = [join(root, 'config'), join(root, 'data'), join(root, 'issuer')] as const;
  for (const folder of [join(configDir, 'policies'), dataDir, issuerDir]) mkdirSync(folder, { recursive: true });
  const postgres = await startPostgres();
  const issuer = await startDemoIssuer({ port: 0, dataDir: issuerDir });
  let running: ServingGateway | undefined;
  const start = async (): Promise<ServingGateway> => (running = await serve(configDir, dataDir, postgres.password));
  try {
    await postgres.script(`${LOAD_TABLE} CREATE TABLE approved (id int PRIMARY KEY, v text); INSERT INTO approved VALUES (1, 'v');`);
    writeFileSync(join(configDir, 'policies', 'drill.cedar'), DEFAULT_POLICIES);
    writeFileSync(join(configDir, 'masking.yaml'), 'columns: []\npatterns: []\n');
    writeFileSync(join(configDir, 'sallyport.yaml'), settingsText(postgres, issuer.url, {}));
    const password = await issuer.mintToken({ principal: 'agent-7', groups: ['all'], ttlSeconds: 3600 });
    const analyst = await issuer.mintToken({ principal: 'agent-8', groups: ['analysts'], ttlSeconds: 3600 });
    const load = startLoad(CLIENTS, random);
    const openAtKill: number[] = [];
    let idBefore = '';
    for (let kill = 1; kill <= kills; kill += 1) {
      const gateway = await start();
      const steps = 1 + Math.floor(random() * MAX_STEPS);
      const isAsking = kill === Math.ceil(kills / 2);
      const asking = isAsking ? await ask(gateway.port, analyst) : undefined;
      if (isAsking) idBefore = (await approvalsAt(gateway.api, dataDir, issuer.url).pending()).id;
      const killAt = load.steps + steps;
      let killed: Promise<void> | undefined;
      const open = await load.until(gateway.port, password, () => {
        if (load.steps >= killAt) killed ??= gateway.kill();
      });
      await killed;
      await asking?.lost;
      openAtKill.push(open + (isAsking ? 1 : 0));
      say(`seed ${seed}: kill ${kill} of ${kills} after ${steps} steps, ${open} sessions`);
    }
    const gateway = await start();
    const people = approvalsAt(gateway.api, dataDir, issuer.url);
    const { id: idAfter } = await people.pending();
    const answered = await people.answer(idAfter, 'approve');
    const again = await ask(gateway.port, analyst);
    const { rowCount } = await again.answer;
    await again.end();
    const rows = await postgres.query('SELECT v FROM approved');
    const exitStatus = await gateway.stop();
    const written = await postgres.query('SELECT mark FROM written ORDER BY mark');
    const evidence = directorySource(join(dataDir, 'evidence'));
    return {
      seed,
      openAtKill,
      logged: loggedStatements(postgres.log()),
      recorded: await recordedSessions(evidence),
      verification: await verifyEvidence(evidence),
      verify: await runVerify(dataDir),
      acknowledged: load.acknowledged,
      written: written.map(({ mark }) => Number(mark)),
      approval: { idBefore, idAfter, answered, rowCount, rows },
      exitStatus,
    };
  } finally {
    await running?.kill();
    await issuer.stop();
    await postgres.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

function runVerify(dataDir: string): Promise<Drill['verify']> {
  return new Promise((resolve) => {
    const args = [join(import.meta.dirname, '../../cli/sallyport.mjs'), 'verify', dataDir];
    execFile(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

type Asking = { readonly answer: Promise<pg.QueryResult>; readonly lost: Promise<unknown>; end(): Promise<void> };

/** Sends the statement that needs an approval; `lost` is when its connection is gone. */
async function ask(port: number, password: string): Promise<Asking> {
  const client = new pg.Client({ host: '127.0.0.1', port, database: 'db', user: 'asker', password, application_name: LOAD });
  client.on('error', () => undefined);
  await client.connect();
  const answer = client.query(NEEDS_APPROVAL);
  const lost = answer.catch((error: unknown) => error);
  return { answer, lost, end: () => client.end() };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , kills = '20', seed = String(Date.now() % 1_000_000)] = process.argv;
  const drill = await killNine(Number(kills), Number(seed), (line) => process.stdout.write(`${line}\n`));
  const { verification, logged, recorded } = drill;
  process.stdout.write(
    `${JSON.stringify({ intact: verification.intact, complete: verification.complete, findings: verification.findings, abnormal: verification.abnormal.length, logged: logged.length, recorded: recorded.statements.length })}\n`,
  );
}
