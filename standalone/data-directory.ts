import { resolve } from 'node:path';

/** Where one machine keeps its state: `--data`, else SALLYPORT_DATA, else `.sallyport` in the current directory. An empty value counts as none. */
export function dataDirectory(flag: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  return resolve(flag || env['SALLYPORT_DATA'] || '.sallyport');
}
