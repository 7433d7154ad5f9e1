import { expect, test } from 'vitest';
import { shuffled, spreadOf } from '../../bench/statistics.ts';

test.each([
  [[3], { median: 3, low: 3, high: 3 }],
  [[9, 1, 5], { median: 5, low: 1, high: 9 }],
  [[4, 1, 10, 2], { median: 3, low: 1, high: 10 }],
])('the median of %j stands between its smallest and its largest', (values, spread) => {
  expect(spreadOf(values)).toEqual(spread);
});

test('another order has the same values, and leaves the first as it was', () => {
  const values = [1, 2, 3, 4, 5];
  expect(shuffled(values).toSorted((a, b) => a - b)).toEqual(values);
  expect(values).toEqual([1, 2, 3, 4, 5]);
});
