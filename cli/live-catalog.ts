/** Reads the catalog of a configured target as the gateway itself would: same role, same credential, same TLS. */
import { randomBytes } from 'node:crypto';
import type { PostgresTarget } from '../core/target.ts';
import { OwnConnection } from '../proxy-task/postgres/own-connection.ts';
import { ScramKeyCache } from '../proxy-task/postgres/scram.ts';
import { openUpstream } from '../proxy-task/postgres/upstream.ts';
import { LocalCredentials } from '../standalone/local-credentials.ts';
import { dumpCatalog, type CatalogDump } from '../core/statement/sql/catalog-dump.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** Connects, reads, disconnects. Throws CredentialUnavailable, and what a login throws. */
export async function readLiveCatalog(target: PostgresTarget, env: Readonly<Record<string, string | undefined>>): Promise<CatalogDump> {
  const { password } = await new LocalCredentials(env).issue(target);
  const upstream = await openUpstream({
    target,
    password,
    applicationName: 'sallyport policy',
    extraParameters: new Map(),
    timeoutMs: CONNECT_TIMEOUT_MS,
    scramKeys: new ScramKeyCache({ hashKey: randomBytes(32) }),
  });
  const connection = new OwnConnection(upstream);
  try {
    return await dumpCatalog((sql) => connection.query(sql));
  } finally {
    await connection.close();
  }
}
