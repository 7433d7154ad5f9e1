/** Names of refs and ids of objects, as git takes them. */
export const OBJECT_FORMATS = { sha1: 40, sha256: 64 } as const;
/** The hash that names a repository's objects, with the hex digits of an id. */
export type ObjectFormat = keyof typeof OBJECT_FORMATS;

/** More would not fit into a path of any file system that git keeps refs in. */
export const MAX_REF_BYTES = 1_024;

/** Controls, DEL, space and `~ ^ : ? * [ \`: git-check-ref-format rules 4, 5 and 10. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]/u;

export function isObjectId(text: string, format: ObjectFormat): boolean {
  return text.length === OBJECT_FORMATS[format] && /^[\da-f]+$/u.test(text);
}

/** The id that stands for no object. */
export function isNoObject(id: string): boolean {
  return /^0+$/u.test(id);
}

/** Whether it is a full name that git-check-ref-format accepts, under `refs/`: receive-pack updates no others. */
export function isRefName(name: string): boolean {
  if (!name.startsWith('refs/') || Buffer.byteLength(name) > MAX_REF_BYTES) return false;
  if (FORBIDDEN.test(name) || name.includes('..') || name.includes('@{') || name.endsWith('.')) return false;
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}
