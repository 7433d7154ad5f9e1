// `npm run bundle`: what the proxy's image holds, into dist/proxy-task.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleProxy } from './bundle.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
bundleProxy(root, join(root, 'dist', 'proxy-task'));
