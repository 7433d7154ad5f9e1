// `npm run lint:imports`: the import table over the working tree; one line per breach, exit status 1 if there is any.
import { join, resolve } from 'node:path';
import { breaches } from './import-table.ts';
import { readTree } from './tree.ts';

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '../..'));
const tree = readTree(root);
const found = breaches(tree);
for (const breach of found) process.stdout.write(`${breach.file}:${breach.line}: ${breach.says}\n`);
process.stdout.write(`${tree.files.size} files, ${found.length} ${found.length === 1 ? 'breach' : 'breaches'} of the import table\n`);
process.exitCode = found.length === 0 && tree.files.size > 0 ? 0 : 1;
