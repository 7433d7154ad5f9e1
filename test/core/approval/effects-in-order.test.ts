import { expect, test } from 'vitest';
import { effectsInOrder } from '../../../core/approval/effects-in-order.ts';
import type { Effect } from '../../../core/statement/effect.ts';

test('what changes something is read first, and no effect is lost', () => {
  const table = { type: 'Table', path: ['public', 't'] } as const;
  const column = { type: 'Column', path: ['public', 't', 'c'] } as const;
  const effects: readonly Effect[] = [
    { action: 'select', resource: column },
    { action: 'select', resource: table },
    { action: 'update', resource: column },
    { action: 'unknown', resource: { type: 'Target', path: [] } },
    { action: 'update', resource: table },
  ];
  expect(effectsInOrder(effects)).toEqual([effects[3], effects[4], effects[2], effects[1], effects[0]]);
});
