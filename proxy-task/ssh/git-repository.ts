/**
 * Which repository git opens for a path: without `--strict` it looks at four places and takes the first that is one (`enter_repo`
 * of its path.c). What is judged must be the one that is opened, so that a path for which more than one could be meant is not known.
 */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { PathResolver } from './path-resolver.ts';

/** What the host says of its paths. */
export type HostPaths = Pick<PathResolver, 'home' | 'resolve' | 'kindOf'>;

/** In the order in which git tries them. */
const SUFFIXES = ['/.git', '', '.git/.git', '.git'] as const;

/** The folder of the repository, as the host spells it; undefined where it is not certain, or not there. */
export async function repositoryAt(written: string, paths: HostPaths): Promise<HostPath | undefined> {
  const home = await paths.home();
  const base = home === undefined ? undefined : baseOf(written, home);
  if (base === undefined) return undefined;
  const found: string[] = [];
  for (const place of SUFFIXES.map((suffix) => `${base}${suffix}`)) {
    const kind = await paths.kindOf(place);
    if (kind === 'nothing') continue;
    // A file there may lead git anywhere.
    if (kind !== 'folder') return undefined;
    const head = await paths.kindOf(`${place}/HEAD`, 'seen');
    // A link may lead nowhere and still be one that git takes. Without HEAD it is a working tree, or a folder like any other; with one, only git knows whether it is whole.
    if (head !== 'nothing') found.push(place);
  }
  const [only, ...others] = found;
  return only === undefined || others.length > 0 ? undefined : paths.resolve(only);
}

/** The command that opens exactly this repository. */
export function gitCommand(service: 'upload-pack' | 'receive-pack', repository: HostPath): string {
  return `git-${service} '${repository.replaceAll("'", "'\\''")}'`;
}

function baseOf(written: string, home: HostPath): string | undefined {
  const path = written.replace(/(?<=.)\/+$/u, '');
  const folder = home === '/' ? '' : home;
  if (path === '~') return folder;
  if (path.startsWith('~/')) return `${folder}${path.slice(1)}`;
  // The homes of others are not known here.
  if (path === '' || path.startsWith('~')) return undefined;
  return path.startsWith('/') ? (path === '/' ? '' : path) : `${folder}/${path}`;
}
