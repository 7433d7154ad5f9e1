import { describe, expect, test } from 'vitest';
import { bankData } from '../../../standalone/demo/bank-data.ts';

const { customers, accounts, transactions } = bankData();

function passesLuhn(number: string): boolean {
  const sum = Array.from(number)
    .map(Number)
    .toReversed()
    .map((digit, index) => (index % 2 === 0 ? digit : digit * 2))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return sum % 10 === 0;
}

describe('the demo bank', () => {
  test('is the same every time', () => {
    expect(JSON.stringify(bankData())).toBe(JSON.stringify({ customers, accounts, transactions }));
  });

  test('has its people, accounts and payments', () => {
    expect([customers.length, accounts.length, transactions.length]).toEqual([800, 1_200, 6_000]);
    expect(new Set(accounts.map((account) => account.kind))).toEqual(new Set(['checking', 'savings', 'credit']));
    expect(new Set(customers.map((customer) => customer.city)).size).toBeGreaterThan(10);
  });

  test('every SSN could be issued, and none twice', () => {
    for (const { ssn } of customers) expect(ssn).toMatch(/^(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}$/u);
    expect(new Set(customers.map((customer) => customer.ssn)).size).toBe(customers.length);
  });

  test('every card passes the Luhn check, and a slip of one digit fails it', () => {
    expect(passesLuhn('4242424242424242')).toBe(true);
    for (const { card_number: card } of customers) {
      expect(card).toMatch(/^\d{15,16}$/u);
      expect(passesLuhn(card)).toBe(true);
      expect(passesLuhn(card.replace(/\d$/u, (digit) => String((Number(digit) + 1) % 10)))).toBe(false);
    }
  });

  test('addresses are distinct and reach nobody', () => {
    expect(new Set(customers.map((customer) => customer.email)).size).toBe(customers.length);
    for (const { email, phone } of customers) {
      expect(email).toMatch(/^[a-z]+\.[a-z]+\d+@example\.(?:com|net|org)$/u);
      expect(phone).toMatch(/^\(\d{3}\) 555-01\d{2}$/u);
    }
  });

  test('free text carries what people should not have typed', () => {
    const notes = transactions.flatMap((transaction) => transaction.note ?? []);
    const careless = { ssn: /\d{3}-\d{2}-\d{4}/u, email: /@example\./u, card: /\d{4} \d{4} \d{4}/u, phone: /555-01/u };
    for (const pattern of Object.values(careless)) expect(notes.filter((note) => pattern.test(note)).length).toBeGreaterThan(10);
    expect(notes.length).toBeLessThan(transactions.length / 2);
  });

  test('payments are in order of time and none is of nothing', () => {
    const times = transactions.map((transaction) => transaction.booked_at);
    expect(times).toEqual(times.toSorted());
    expect(transactions.filter((transaction) => Number(transaction.amount) === 0)).toEqual([]);
  });
});
