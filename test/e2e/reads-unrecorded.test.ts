import { afterAll, beforeAll, expect, test } from 'vitest';
import { diskFiles, type AppendFiles } from '../../standalone/evidence/append-files.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
const gateways: TestGateway[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script('CREATE TABLE t (id int)');
});

afterAll(async () => {
  for (const gateway of gateways) await gateway.stop();
  await postgres.stop();
});

/** What PostgreSQL had logged each time something was written to a recording that had not been written before. */
async function recorded(target: string, marker: string): Promise<(kind: 'read' | 'write') => boolean> {
  const seenAtWrite: { readonly text: string; readonly log: string }[] = [];
  const files: AppendFiles = {
    ...diskFiles,
    create: (root, path) => {
      const file = diskFiles.create(root, path);
      return {
        write: (parts) => {
          if (path.startsWith('sessions/')) seenAtWrite.push({ text: Buffer.concat(parts).toString('latin1'), log: postgres.log() });
          file.write(parts);
        },
        sync: (done) => file.sync(done),
        close: () => file.close(),
      };
    },
  };
  const gateway = await startGateway(postgres, { target, evidenceFiles: files });
  gateways.push(gateway);
  const client = await gateway.connect();
  await client.query('SELECT 1 AS warm');
  await client.query(`SELECT 41 AS read_${marker}`);
  await client.query(`INSERT INTO t VALUES (43) /* write_${marker} */`);
  // True: when the statement was first written, the target had not seen it yet.
  return (kind) => {
    const statement = `${kind}_${marker}`;
    const first = seenAtWrite.find(({ text }) => text.includes(statement));
    if (first === undefined) throw new Error(`${statement} was never recorded`);
    return !first.log.includes(statement);
  };
}

test('the intent of every statement is on record before the target sees it', async () => {
  const before = await recorded('', 'one');
  expect([before('read'), before('write')]).toEqual([true, true]);
});

test('a target that opts its reads out has them recorded with their rows, and its writes before', async () => {
  const before = await recorded('    readsUnrecorded: true', 'two');
  expect([before('read'), before('write')]).toEqual([false, true]);
});
