/** Where a target's catalog of one version stands in the staging bucket, so that functions read statements against it. */
export function catalogKey(target: string, version: string): string {
  return `catalogs/${target}/${version}.json`;
}

/** Versions come from outside: nothing else becomes part of a key. */
export function isCatalogVersion(version: string): boolean {
  return /^[0-9a-f]{64}$/.test(version);
}
