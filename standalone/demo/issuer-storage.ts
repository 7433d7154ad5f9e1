/** Sign-ins of the demo issuer, in memory: a restart forgets them, which costs a new sign-in. */

type Payload = Record<string, unknown> & { readonly uid?: string; readonly grantId?: string };
type Kept = { readonly payload: Payload; readonly expiresAtMs: number };

/** More than a demo needs; the oldest go first. */
const MAX_ENTRIES = 1_000;

/** The storage that `oidc-provider` asks for, one instance per kind of record over one shared map. */
export function memoryStorage(now: () => number): (kind: string) => object {
  const kept = new Map<string, Kept>();
  const find = (key: string): Payload | undefined => {
    const entry = kept.get(key);
    return entry !== undefined && entry.expiresAtMs > now() ? entry.payload : undefined;
  };
  return (kind) => ({
    upsert: async (id: string, payload: Payload, expiresInS?: number) => {
      const key = `${kind}:${id}`;
      kept.delete(key);
      kept.set(key, { payload, expiresAtMs: expiresInS === undefined ? Number.POSITIVE_INFINITY : now() + expiresInS * 1000 });
      const oldest = kept.keys().next().value;
      if (kept.size > MAX_ENTRIES && oldest !== undefined) kept.delete(oldest);
    },
    find: async (id: string) => find(`${kind}:${id}`),
    findByUid: async (uid: string) =>
      [...kept.values()].find(({ payload, expiresAtMs }) => payload.uid === uid && expiresAtMs > now())?.payload,
    findByUserCode: async () => undefined,
    consume: async (id: string) => {
      const payload = find(`${kind}:${id}`);
      if (payload !== undefined) payload['consumed'] = Math.floor(now() / 1000);
    },
    destroy: async (id: string) => void kept.delete(`${kind}:${id}`),
    revokeByGrantId: async (grantId: string) => {
      for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
    },
  });
}
