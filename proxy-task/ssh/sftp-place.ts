/** Where a path that a client wrote leads: the part that the host is asked about, and the part that is taken as it is. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';

export type Place =
  /** The last link is followed too. */
  | { readonly kind: 'whole'; readonly path: string }
  /** Of the folder every link is followed; the name in it is taken as it is, link or not. */
  | { readonly kind: 'entry'; readonly folder: string; readonly name: string }
  /** The host has said it before. */
  | { readonly kind: 'known'; readonly path: HostPath };

/** Relative paths begin at the home folder, as those of an sftp server do. */
export function absolutePath(path: string, home: HostPath): string {
  if (path === '') return home;
  return path.startsWith('/') ? path : `${home === '/' ? '' : home}/${path}`;
}

export function followedPlace(path: string, home: HostPath): Place {
  return { kind: 'whole', path: absolutePath(path, home) };
}

/** What is at a name itself. A name that is none (`.`, `..`, `/`) is a folder, which is no link. */
export function shownPlace(path: string, home: HostPath): Place {
  // After a slash a link is followed.
  return path.endsWith('/') ? followedPlace(path, home) : (changedPlace(path, home) ?? followedPlace(path, home));
}

/** A name that is made, renamed or removed; undefined where the path ends in no name. */
export function changedPlace(path: string, home: HostPath): Place | undefined {
  const whole = absolutePath(path, home).replace(/\/+$/u, '');
  const slash = whole.lastIndexOf('/');
  const name = whole.slice(slash + 1);
  if (slash < 0 || name === '' || name === '.' || name === '..') return undefined;
  return { kind: 'entry', folder: whole.slice(0, slash) || '/', name };
}

/** A name in a folder that the host has resolved. */
export function childPath(folder: HostPath, name: string): HostPath {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

/** The folder that a resolved path is in; the root is in itself. */
export function parentPath(path: HostPath): HostPath {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The one spelling of an absolute path without links: a host that answers with anything else is not believed. */
export function isResolved(path: string): boolean {
  if (path === '/') return true;
  if (!path.startsWith('/') || path.includes('\0')) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
}
