#!/usr/bin/env node
// The installed entry point: registers the TypeScript loader, then runs the command.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
