import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tree } from './import-table.ts';

const NOT_SOURCE = new Set(['node_modules', 'cdk.out', 'dist', 'coverage', 'data']);

/** All TypeScript and JavaScript of a checkout, and what its package.json declares. */
export function readTree(root: string): Tree {
  const files = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !NOT_SOURCE.has(entry.name) && !entry.name.startsWith('.')) walk(path);
      else if (entry.isFile() && /\.[cm]?[jt]s$/u.test(entry.name)) files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  };
  walk('');
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return { files, dependencies: declared(manifest, 'dependencies'), devDependencies: declared(manifest, 'devDependencies') };
}

function declared(manifest: unknown, field: string): string[] {
  const value: unknown =
    typeof manifest === 'object' && manifest !== null ? Object.getOwnPropertyDescriptor(manifest, field)?.value : undefined;
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}
