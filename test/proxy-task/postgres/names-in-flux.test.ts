import { expect, test } from 'vitest';
import { movesNames, NamesInFlux } from '../../../proxy-task/postgres/names-in-flux.ts';

test('a statement knows whether names changed since it was sent, by a beginning or an end', () => {
  const flux = new NamesInFlux();
  const run = {};
  flux.started(run);
  expect(flux.changedSince(run)).toBe(false);
  flux.begin('a');
  expect(flux.changedSince(run)).toBe(true);
  const later = {};
  flux.started(later);
  flux.end('a');
  expect(flux.changedSince(later)).toBe(true);
  expect(flux.changedSince({})).toBe(true);
});

test('names are in flux for everyone but who changes them', () => {
  const flux = new NamesInFlux();
  flux.begin('a');
  expect([flux.byOthers('a'), flux.byOthers('b')]).toEqual([false, true]);
  flux.begin('b');
  expect(flux.byOthers('a')).toBe(true);
  flux.end('a');
  flux.end('b');
  expect(flux.byOthers('c')).toBe(false);
});

test.each([
  [true, { action: 'alter', resource: { type: 'Table', path: ['public', 't'] } }],
  [true, { action: 'alter', resource: { type: 'Schema', path: ['public'] } }],
  [true, { action: 'drop', resource: { type: 'Target', path: [] } }],
  [false, { action: 'create', resource: { type: 'Table', path: ['public', 't'] } }],
  [false, { action: 'drop', resource: { type: 'Table', path: ['pg_temp_3', 't'] } }],
  [false, { action: 'drop', resource: { type: 'Function', path: ['public', 'f'] } }],
] as const)('%s: %j moves names', (moves, effect) => {
  expect(movesNames([effect])).toBe(moves);
});
