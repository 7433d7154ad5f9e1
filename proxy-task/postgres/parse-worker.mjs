// The worker's entry when the sources run as they are: a worker thread registers the TypeScript loader for itself.
import { register } from 'tsx/esm/api';

register();
await import('./parse-worker.ts');
